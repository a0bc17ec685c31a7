package fact

// Listener is a TCP socket that listens on the node's own network, and what a client
// without credentials met there (kinds ServerTLS and NodeTLS). Only the node's own
// sockets are dialed, at loopback or at one of its own addresses.
type Listener struct {
	// Address and Port are the socket's own, from /proc/net/tcp or tcp6: "127.0.0.1",
	// "0.0.0.0", "::". Inode is the socket's, so that its owner can be found (Socket).
	Address string `json:"address"`
	Port    int    `json:"port"`
	Inode   uint64 `json:"inode,omitempty"`
	UID     uint32 `json:"uid,omitempty"` // of the user that opened it
	// Purpose is why it was dialed.
	Purpose ListenerPurpose `json:"purpose"`
	// Target is the address that was dialed, "" if none was. Connections counts.
	Target      string `json:"target,omitempty"`
	Connections int    `json:"connections,omitempty"`

	// Protocol is what it speaks, ProtocolFrom what shows it: "ServerHello",
	// "status 200 to GET /version".
	Protocol     ListenerProtocol `json:"protocol,omitempty"`
	ProtocolFrom string           `json:"protocolFrom,omitempty"`
	// Offers are what was offered alone, one in each handshake, in the order of Offers().
	Offers []TLSOffer `json:"offers,omitempty"`
	// ClientAuth is what it does about a client that has no certificate, ClientAuthFrom
	// what shows it: "alert certificate required", "HTTP/2 SETTINGS", "session ticket".
	ClientAuth     ClientAuth `json:"clientAuth,omitempty"`
	ClientAuthFrom string     `json:"clientAuthFrom,omitempty"`
	// ClientCAs are the names of the authorities whose client certificates it says it
	// takes, at most MaxClientCAs, sorted, each once; ClientCATotal counts them, and those
	// whose name is not shown.
	ClientCAs     []string `json:"clientCAs,omitempty"`
	ClientCATotal int      `json:"clientCATotal,omitempty"`
	// Chain is what it presents, its own certificate first, at most MaxChain.
	Chain []Certificate `json:"chain,omitempty"`
	// Request is the one request that was made without credentials; nil if none was.
	Request *AnonymousRequest `json:"request,omitempty"`

	// Reason and Detail say what of it is not known, and why.
	Reason Reason `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Bounds of a Listener and of what a node says of them.
const (
	MaxListeners    = 64
	MaxClientCAs    = 16
	MaxChain        = 8
	MaxConnections  = 8  // to one listener
	MaxCertNames    = 50 // Certificate.Names
	MaxCertificates = 400
)

// ListenerPurpose is what a listener is for. It decides which request is made.
type ListenerPurpose string

// The purposes. Those of OfStorage (ServerTLS) first.
const (
	EtcdClient        ListenerPurpose = "etcd-client"     // 2379
	EtcdPeer          ListenerPurpose = "etcd-peer"       // 2380
	KubeAPI           ListenerPurpose = "apiserver"       // 6443 or --secure-port
	KubeAPIProxy      ListenerPurpose = "apiserver-proxy" // what stands before it on the node
	RKE2Supervisor    ListenerPurpose = "rke2-supervisor" // 9345
	Konnectivity      ListenerPurpose = "konnectivity"    // 8132
	KineTCP           ListenerPurpose = "kine"            // 2379 of kine
	KubeletAPI        ListenerPurpose = "kubelet"         // 10250
	KubeletReadOnly   ListenerPurpose = "kubelet-readonly"
	ControllerManager ListenerPurpose = "controller-manager" // 10257
	Scheduler         ListenerPurpose = "scheduler"          // 10259
	CloudController   ListenerPurpose = "cloud-controller"   // 10258
	RuntimeStreaming  ListenerPurpose = "runtime-streaming"  // exec streams of containerd and CRI-O
)

// Purposes lists them in order.
func Purposes() []ListenerPurpose {
	return []ListenerPurpose{
		EtcdClient, EtcdPeer, KubeAPI, KubeAPIProxy, RKE2Supervisor, Konnectivity, KineTCP,
		KubeletAPI, KubeletReadOnly, ControllerManager, Scheduler, CloudController, RuntimeStreaming,
	}
}

// Kind returns the kind that a listener of this purpose belongs to: ServerTLS or NodeTLS,
// "" for a purpose that is not one of Purposes.
func (p ListenerPurpose) Kind() Kind {
	switch p {
	case EtcdClient, EtcdPeer, KubeAPI, KubeAPIProxy, RKE2Supervisor, Konnectivity, KineTCP:
		return ServerTLS
	case KubeletAPI, KubeletReadOnly, ControllerManager, Scheduler, CloudController, RuntimeStreaming:
		return NodeTLS
	}
	return ""
}

// ListenerProtocol is what a listener speaks.
type ListenerProtocol string

// The protocols. "" is unknown.
const (
	SpeaksTLS       ListenerProtocol = "tls"
	SpeaksPlaintext ListenerProtocol = "plaintext"
	SpeaksOther     ListenerProtocol = "other" // neither TLS nor HTTP
)

// ClientAuth is what a server does about a client that has no certificate.
type ClientAuth string

// What it does. "" is unknown.
const (
	ClientCertDemanded ClientAuth = "demanded" // it refused the client
	ClientCertAsked    ClientAuth = "asked"    // it asked, and served the client all the same
	ClientCertNotAsked ClientAuth = "none"
)

// TLSOffer is what one handshake offered, and nothing beside it, and its outcome.
type TLSOffer struct {
	Offer   string       `json:"offer"` // see Offers
	Outcome OfferOutcome `json:"outcome"`
	// Version and Suite are what the server chose: "TLS 1.2",
	// "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" (IANA's names).
	Version string `json:"version,omitempty"`
	Suite   string `json:"suite,omitempty"`
	// From says what shows the outcome ("alert protocol version"), or why it is unknown.
	From string `json:"from,omitempty"`
}

// What is offered: each version with all suites, then weak suites alone.
const (
	OfferTLS10 = "TLS 1.0"
	OfferTLS11 = "TLS 1.1"
	OfferTLS12 = "TLS 1.2"
	OfferTLS13 = "TLS 1.3"
	OfferWeak  = "RC4, 3DES"        // up to TLS 1.2
	OfferRSA   = "RSA key exchange" // up to TLS 1.2, without RC4 and 3DES
)

// Offers lists them in order.
func Offers() []string {
	return []string{OfferTLS10, OfferTLS11, OfferTLS12, OfferTLS13, OfferWeak, OfferRSA}
}

// OfferOutcome is how a server takes an offer.
type OfferOutcome string

// The outcomes.
const (
	OfferAccepted OfferOutcome = "accepted" // a ServerHello chose it
	OfferRefused  OfferOutcome = "refused"  // an alert says so: for a version "protocol version", for suites "handshake failure"
	OfferUnknown  OfferOutcome = "unknown"
)

// AnonymousRequest is a request without credentials that can return no data.
type AnonymousRequest struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status,omitempty"` // of HTTP; 0 if no answer came
	Detail string `json:"detail,omitempty"` // why none came
}

// Certificate is what an X.509 certificate (RFC 5280) says about itself.
type Certificate struct {
	Subject string `json:"subject"` // RFC 2253, at most 256 bytes
	Issuer  string `json:"issuer"`
	SHA256  string `json:"sha256"`  // of its DER form, hex
	KeyType string `json:"keyType"` // RSA, ECDSA, Ed25519, or "" if unknown
	KeyBits int    `json:"keyBits,omitempty"`
	// Signature is the algorithm that it is signed by, as crypto/x509 names it.
	Signature  string `json:"signature,omitempty"`
	NotBefore  Time   `json:"notBefore,omitzero"`
	NotAfter   Time   `json:"notAfter,omitzero"`
	CA         bool   `json:"ca,omitempty"`
	SelfSigned bool   `json:"selfSigned,omitempty"`
	// Names are DNS names and IP addresses of the subject's alternative names, sorted, at
	// most MaxCertNames; NameTotal counts them.
	Names     []string `json:"names,omitempty"`
	NameTotal int      `json:"nameTotal,omitempty"`
}

// Component is a running program of the cluster and its settings for connections (kinds
// ServerSettings and NodeSettings). Nothing of it can hold a secret: the settings are
// those of a fixed list, and URLs are without user information.
type Component struct {
	Program   ComponentProgram `json:"program"`
	PID       int              `json:"pid"`
	Started   Time             `json:"started,omitzero"`
	Container string           `json:"container,omitempty"` // its id, "" on the host itself
	Settings  []Setting        `json:"settings,omitempty"`  // sorted by name
	// ConfigFiles are the files that give settings too. Unfollowed says why the absence of a
	// setting shows nothing, "" if it does.
	ConfigFiles []string `json:"configFiles,omitempty"`
	Unfollowed  string   `json:"unfollowed,omitempty"`
	// Sockets are the TCP sockets on which it listens, sorted; nil if they were not read.
	Sockets []Socket `json:"sockets,omitempty"`
	// SocketsRead reports whether Sockets is all of them.
	SocketsRead bool `json:"socketsRead,omitempty"`
}

// Setting returns the value of a setting by its flag's name.
func (c *Component) Setting(name string) (Setting, bool) {
	for _, s := range c.Settings {
		if s.Name == name {
			return s, true
		}
	}
	return Setting{}, false
}

// Setting is one setting of a Component.
type Setting struct {
	Name  string `json:"name"` // the flag's, also where a file or a variable gives it
	Value string `json:"value"`
	// From says where it was read: "--tls-min-version", "ETCD_CLIENT_CERT_AUTH",
	// "/var/lib/kubelet/config.yaml tlsMinVersion", or "default" and of what.
	From string `json:"from"`
}

// ComponentProgram is which program a Component is.
type ComponentProgram string

// The programs. Those of OfStorage (ServerSettings) first.
const (
	ProgramEtcd              ComponentProgram = "etcd"
	ProgramAPIServer         ComponentProgram = "kube-apiserver"
	ProgramK3s               ComponentProgram = "k3s"  // API server and all others in one process
	ProgramRKE2              ComponentProgram = "rke2" // the supervisor
	ProgramKine              ComponentProgram = "kine"
	ProgramKonnectivity      ComponentProgram = "konnectivity-server"
	ProgramProxy             ComponentProgram = "proxy" // haproxy, nginx, envoy, kube-vip before the API server
	ProgramKubelet           ComponentProgram = "kubelet"
	ProgramControllerManager ComponentProgram = "kube-controller-manager"
	ProgramScheduler         ComponentProgram = "kube-scheduler"
	ProgramCloudController   ComponentProgram = "cloud-controller-manager"
	ProgramContainerd        ComponentProgram = "containerd"
	ProgramCRIO              ComponentProgram = "crio"
)

// Programs lists them in order.
func Programs() []ComponentProgram {
	return []ComponentProgram{
		ProgramEtcd, ProgramAPIServer, ProgramK3s, ProgramRKE2, ProgramKine, ProgramKonnectivity, ProgramProxy,
		ProgramKubelet, ProgramControllerManager, ProgramScheduler, ProgramCloudController, ProgramContainerd, ProgramCRIO,
	}
}

// Kind returns the kind that a program belongs to: ServerSettings or NodeSettings, "" for
// a program that is not one of Programs.
func (p ComponentProgram) Kind() Kind {
	switch p {
	case ProgramEtcd, ProgramAPIServer, ProgramK3s, ProgramRKE2, ProgramKine, ProgramKonnectivity, ProgramProxy:
		return ServerSettings
	case ProgramKubelet, ProgramControllerManager, ProgramScheduler, ProgramCloudController, ProgramContainerd, ProgramCRIO:
		return NodeSettings
	}
	return ""
}

// Socket is a listening TCP socket of a process.
type Socket struct {
	Address string `json:"address"`
	Port    int    `json:"port"`
	Inode   uint64 `json:"inode"`
	// Netns is the inode of its network namespace if that is not the node's own.
	Netns uint64 `json:"netns,omitempty"`
}

// CertificateFile is a file on a node that holds certificates of the cluster (kind
// Certificates), or that should: then Reason says what is missing.
type CertificateFile struct {
	Path string `json:"path"` // on the node
	// Use is what it is for: "kube-apiserver serving", "etcd peer", "kubelet client",
	// "kubeconfig admin.conf client". By tells how that is known: a flag, or the usual path.
	Use string `json:"use"`
	By  string `json:"by,omitempty"`
	// Rotated is true if the kubelet itself replaces it (*-current.pem).
	Rotated      bool          `json:"rotated,omitempty"`
	Certificates []Certificate `json:"certificates,omitempty"` // at most MaxChain
	Total        int           `json:"total,omitempty"`        // of certificates in the file
	// Key says who can read the private key that belongs to it; nil if there is none, or
	// if it was not looked at. The key itself is never read.
	Key    *FileAccess `json:"key,omitempty"`
	Reason Reason      `json:"reason,omitempty"`
	Detail string      `json:"detail,omitempty"`
}

// EnvironmentCredential is a variable in a running process's environment whose value is
// a credential (kind Environment). Its value never leaves the node.
type EnvironmentCredential struct {
	Name string `json:"name"` // of the variable
	Rule string `json:"rule"` // what the value looks like: a rule of package credential
	// PID is one process that has it, Comm its name; Processes counts them.
	PID       int    `json:"pid"`
	Comm      string `json:"comm,omitempty"`
	Processes int    `json:"processes"`
}

// MaxEnvironment bounds what is listed of one container.
const MaxEnvironment = 50
