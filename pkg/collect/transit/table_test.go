package transit

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/collect/node/procfs"
)

// dialed is a Dial that writes down where it goes and fails with an error, nil for silence.
type dialed struct {
	to  []string
	err map[string]error // by address, else refused
}

func (d *dialed) dial(ctx context.Context, local, remote netip.AddrPort) (net.Conn, error) {
	if local.Addr() != remote.Addr() {
		return nil, errors.New("from another address")
	}
	d.to = append(d.to, remote.String())
	err, ok := d.err[remote.Addr().String()]
	if !ok {
		return nil, syscall.ECONNREFUSED
	}
	if err == nil {
		<-ctx.Done()
		err = ctx.Err()
	}
	return nil, err
}

// TestTargets is the promise of the package: which addresses are dialed.
func TestTargets(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("fd00::5")}
	for name, tc := range map[string]struct {
		sockets string // "ADDRESS PORT" each; the first is measured
		own     []netip.Addr
		want    string // addresses that are dialed, all refuse
	}{
		"loopback":                               {"127.0.0.1 2379", own, "127.0.0.1"},
		"another loopback":                       {"127.0.0.9 2379", own, "127.0.0.9"},
		"loopback of IPv6":                       {"::1 2379", own, "::1"},
		"the node's own":                         {"10.0.0.5 2379", own, "10.0.0.5"},
		"the node's own of IPv6":                 {"fd00::5 2379", own, "fd00::5"},
		"the node's own, mapped":                 {"::ffff:10.0.0.5 2379", own, "10.0.0.5"},
		"a Service's":                            {"10.96.0.1 2379", own, ""},
		"a Service's, mapped":                    {"::ffff:10.96.0.1 2379", own, ""},
		"another one of IPv6":                    {"fd00::6 2379", own, ""},
		"link-local":                             {"fe80::1 2379", append(own, netip.MustParseAddr("fe80::1")), ""},
		"link-local with a zone":                 {"fe80::1 2379", append(own, netip.MustParseAddr("fe80::1%eth0")), ""},
		"every address":                          {"0.0.0.0 2379", own, "10.0.0.5 127.0.0.1"},
		"every address of both families":         {":: 2379", own, "10.0.0.5 fd00::5 127.0.0.1 ::1"},
		"every address, none known":              {"0.0.0.0 2379", nil, "127.0.0.1"},
		"every address, unspecified ones given":  {"0.0.0.0 2379", []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified(), {}}, "127.0.0.1"},
		"every address, multicast given":         {"0.0.0.0 2379", []netip.Addr{netip.MustParseAddr("224.0.0.1")}, "127.0.0.1"},
		"every address, one has its own socket":  {"0.0.0.0 2379,10.0.0.5 2379", own, "127.0.0.1"},
		"every address, one has it on port 2380": {"0.0.0.0 2379,10.0.0.5 2380", own, "10.0.0.5 127.0.0.1"},
		"IPv4 has its own socket":                {":: 2379,0.0.0.0 2379", own, "fd00::5 ::1"},
		"an address that is given mapped":        {"10.0.0.5 2379", []netip.Addr{netip.MustParseAddr("::ffff:10.0.0.5")}, "10.0.0.5"},
		"a port without a purpose":               {"10.0.0.5 22", own, ""},
		"more addresses than connections": {"0.0.0.0 2379", many(20), func() string {
			var all []string
			for _, a := range many(8) {
				all = append(all, a.String())
			}
			return strings.Join(all, " ")
		}()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &dialed{}
				o := Options{Addresses: tc.own, Wants: bothTLS, Dial: d.dial}
				for _, s := range strings.Split(tc.sockets, ",") {
					address, port, _ := strings.Cut(s, " ")
					n := uint16(2379)
					switch port {
					case "2380":
						n = 2380
					case "22":
						n = 22
					}
					o.Table.Sockets = append(o.Table.Sockets, socket(address, n))
				}
				c := &client{Options: o, offers: offers()}
				for _, l := range o.find() {
					if l.Inode == o.Table.Sockets[0].Inode && l.Address == o.Table.Sockets[0].Address() {
						c.measure(t.Context(), &l)
						if l.Reason == "" || l.Detail == "" || l.Protocol != "" {
							t.Errorf("%+v, want a reason", l.Listener)
						}
						if len(d.to) != l.Connections {
							t.Errorf("%d connections are counted", l.Connections)
						}
					}
				}
				var got []string
				for _, to := range d.to {
					got = append(got, netip.MustParseAddrPort(to).Addr().String())
				}
				if g := strings.Join(got, " "); g != tc.want {
					t.Errorf("dialed %q, want %q", g, tc.want)
				}
			})
		})
	}
}

func many(n int) []netip.Addr {
	var all []netip.Addr
	a := netip.MustParseAddr("10.1.0.0")
	for range n {
		a = a.Next()
		all = append(all, a)
	}
	return all
}

// TestLastLook shows that the address is compared again before each connect.
func TestLastLook(t *testing.T) {
	d := &dialed{}
	c := &client{Options: Options{Dial: d.dial}, offers: offers()}
	l := &listening{bound: netip.MustParseAddrPort("10.0.0.5:2379")}
	s := &session{client: c, listening: l, ctx: t.Context(), deadline: time.Now().Add(time.Hour), targets: []netip.Addr{l.bound.Addr()}, attempts: map[string]*attempt{}}
	s.run()
	if len(d.to) != 0 || l.Reason != fact.Unsupported {
		t.Errorf("dialed %q, reason %s", d.to, l.Reason)
	}
}

// TestOneTarget shows that a listener is measured at one address: what the next one shows
// may be another server's.
func TestOneTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory().web(t, with(), 200)
		d := &dialed{}
		dial := func(ctx context.Context, local, remote netip.AddrPort) (net.Conn, error) {
			if len(d.to) > 2 || remote.Addr() != loopback {
				return d.dial(ctx, local, remote)
			}
			d.to = append(d.to, remote.String())
			return s.dial(ctx, local, netip.AddrPortFrom(loopback, s.port))
		}
		all, _ := Measure(t.Context(), Options{
			Table:     Table{Sockets: []procfs.TCPListener{socket("::", 2379)}},
			Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.5")},
			Wants:     bothTLS,
			Dial:      dial,
		})
		want := []string{"10.0.0.5:2379", "127.0.0.1:2379", "127.0.0.1:2379", "127.0.0.1:2379"}
		if diff := cmp.Diff(want, d.to); diff != "" || all[0].Target != "127.0.0.1" || all[0].Reason != fact.Changing || all[0].Protocol != fact.SpeaksTLS {
			t.Errorf("%+v (-want +got):\n%s", all[0], diff)
		}
	})
}

func TestNotDialed(t *testing.T) {
	for name, tc := range map[string]struct {
		err         error
		reason      fact.Reason
		connections int
	}{
		"refused":        {syscall.ECONNREFUSED, fact.Changing, 1},
		"not own":        {syscall.EADDRNOTAVAIL, fact.Unsupported, 0},
		"no port":        {syscall.EADDRINUSE, fact.Unreadable, 1},
		"silence":        {nil, fact.Timeout, 1},
		"not permitted":  {syscall.EPERM, fact.Unreadable, 1},
		"no route to it": {syscall.EHOSTUNREACH, fact.Unreadable, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &dialed{err: map[string]error{"127.0.0.1": tc.err}}
				all, _ := Measure(t.Context(), Options{Table: Table{Sockets: []procfs.TCPListener{socket("127.0.0.1", 2379)}}, Wants: bothTLS, Dial: d.dial})
				if len(all) != 1 || all[0].Reason != tc.reason || all[0].Detail == "" || all[0].Target != "" || all[0].Connections != tc.connections {
					t.Errorf("%+v, want reason %s", all, tc.reason)
				}
			})
		})
	}
}

func TestFind(t *testing.T) {
	o := Options{
		Table: Table{Sockets: []procfs.TCPListener{
			socket("0.0.0.0", 10250), socket("::", 6443), socket("127.0.0.1", 2379), socket("10.0.0.5", 2379),
			socket("10.0.0.5", 2379), socket("127.0.0.1", 33333), socket("::", 8443), socket("0.0.0.0", 22),
		}},
		Purposes: map[netip.AddrPort]fact.ListenerPurpose{
			netip.MustParseAddrPort("127.0.0.1:33333"): fact.RuntimeStreaming,
			netip.MustParseAddrPort("0.0.0.0:8443"):    fact.KubeAPIProxy,
			netip.MustParseAddrPort("127.0.0.1:2379"):  fact.KineTCP,
			netip.MustParseAddrPort("127.0.0.1:22"):    fact.KubeAPI, // another address
		},
	}
	for _, tc := range []struct {
		wants []fact.Kind
		want  string
	}{
		{bothTLS, "kine 127.0.0.1:2379, runtime-streaming 127.0.0.1:33333, etcd-client 10.0.0.5:2379, apiserver [::]:6443, apiserver-proxy [::]:8443, kubelet 0.0.0.0:10250"},
		{[]fact.Kind{fact.NodeTLS}, "runtime-streaming 127.0.0.1:33333, kubelet 0.0.0.0:10250"},
		{[]fact.Kind{fact.Pods}, ""},
	} {
		o.Wants = tc.wants
		var got []string
		for _, l := range o.find() {
			got = append(got, string(l.Purpose)+" "+l.bound.String())
		}
		if diff := cmp.Diff(tc.want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tc.wants, diff)
		}
	}
}

// TestStrangers opens sockets beside etcd's as any user of the node's network can.
func TestStrangers(t *testing.T) {
	etcd := socket("192.168.0.5", 2379)
	etcd.Inode = 1
	t.Run("many, which hang", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := inMemory().web(t, with(), 200)
			d := &dialed{err: map[string]error{}}
			o := Options{
				Addresses: []netip.Addr{netip.MustParseAddr("192.168.0.5")}, Wants: bothTLS,
				Purposes: map[netip.AddrPort]fact.ListenerPurpose{
					netip.MustParseAddrPort("192.168.0.5:2379"): fact.EtcdClient,
					netip.MustParseAddrPort("0.0.0.0:10250"):    fact.KubeletAPI,
				},
				Dial: func(ctx context.Context, local, remote netip.AddrPort) (net.Conn, error) {
					if remote.Addr().String() == "192.168.0.5" {
						return s.dial(ctx, netip.AddrPortFrom(loopback, local.Port()), netip.AddrPortFrom(loopback, s.port))
					}
					return d.dial(ctx, local, remote)
				},
			}
			for a := netip.MustParseAddr("127.0.0.1"); len(o.Table.Sockets) < 100; a = a.Next() {
				o.Table.Sockets = append(o.Table.Sockets, socket(a.String(), 2379))
				d.err[a.String()] = nil
			}
			o.Table.Sockets = append(o.Table.Sockets, etcd, socket("0.0.0.0", 10250))
			all, _ := Measure(t.Context(), o)
			met := map[string]fact.ListenerProtocol{}
			for _, l := range all {
				met[netip.AddrPortFrom(netip.MustParseAddr(l.Address), uint16(l.Port)).String()] = l.Protocol
			}
			if len(all) != fact.MaxListeners || met["192.168.0.5:2379"] != fact.SpeaksTLS || met["0.0.0.0:10250"] != fact.SpeaksTLS {
				t.Errorf("of %d listeners, found %v", len(all), met)
			}
		})
	})
	t.Run("one for all addresses", func(t *testing.T) {
		o := Options{
			Table:    Table{Sockets: []procfs.TCPListener{etcd, socket("::", 2379)}},
			Purposes: map[netip.AddrPort]fact.ListenerPurpose{netip.MustParseAddrPort("[::]:2379"): fact.CloudController},
			Wants:    bothTLS,
		}
		var got []string
		for _, l := range o.find() {
			got = append(got, string(l.Purpose)+" "+l.bound.String())
		}
		if diff := cmp.Diff([]string{"cloud-controller [::]:2379", "etcd-client 192.168.0.5:2379"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("one at the same address", func(t *testing.T) {
		other := etcd
		other.Inode = 2
		for name, tc := range map[string]struct {
			sockets []procfs.TCPListener
			want    uint64
		}{
			"etcd's alone": {[]procfs.TCPListener{etcd}, 1},
			"etcd's twice": {[]procfs.TCPListener{etcd, etcd}, 1},
			"two":          {[]procfs.TCPListener{etcd, other}, 0},
			"three":        {[]procfs.TCPListener{other, etcd, etcd}, 0},
		} {
			o := Options{Table: Table{Sockets: tc.sockets}, Wants: bothTLS}
			if all := o.find(); len(all) != 1 || all[0].Inode != tc.want {
				t.Errorf("%s: expected inode %d, found %+v", name, tc.want, all)
			}
		}
	})
}

func TestEveryPurposeHasAKind(t *testing.T) {
	for port, p := range wellKnown {
		if p.Kind() == "" {
			t.Errorf("port %d: %s has no kind", port, p)
		}
	}
}

// TestBudget measures more listeners than there is time for: all of them hang.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dialed{err: map[string]error{}}
		o := Options{Wants: bothTLS, Dial: d.dial}
		for _, a := range many(40) {
			o.Addresses = append(o.Addresses, a)
			o.Table.Sockets = append(o.Table.Sockets, socket(a.String(), 2379), socket(a.String(), 10250))
			d.err[a.String()] = nil
		}
		began := time.Now()
		all, gaps := Measure(t.Context(), o)
		if took := time.Since(began); took > PerNode || took < PerNode-PerListener {
			t.Errorf("took %s, want about %s", took, PerNode)
		}
		if len(all) != fact.MaxListeners {
			t.Errorf("%d listeners, want %d", len(all), fact.MaxListeners)
		}
		for i, l := range all {
			if l.Reason != fact.Timeout {
				t.Errorf("%s has reason %s", l.Address, l.Reason)
			}
			if i > 0 && (all[i-1].Port > l.Port || all[i-1].Port == l.Port && all[i-1].Address >= l.Address) {
				t.Errorf("%s:%d is after %s:%d", l.Address, l.Port, all[i-1].Address, all[i-1].Port)
			}
		}
		want := []fact.NodeGap{{What: fact.NodeTLS, Reason: fact.Truncated, Detail: "16 of 80 listeners were left out: at most 64 are dialed"}}
		if diff := cmp.Diff(want, gaps); diff != "" {
			t.Errorf("gaps (-want +got):\n%s", diff)
		}
	})
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := &dialed{}
	all, _ := Measure(ctx, Options{Table: Table{Sockets: []procfs.TCPListener{socket("127.0.0.1", 2379)}}, Wants: bothTLS, Dial: d.dial})
	if len(all) != 1 || all[0].Reason != fact.Timeout || len(d.to) != 0 {
		t.Errorf("%+v, dialed %q", all, d.to)
	}
}

func TestReadTable(t *testing.T) {
	const (
		columns = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
		etcd4   = "   0: 0100007F:094B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n"
		etcd6   = "   0: 00000000000000000000000000000000:094B 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0\n"
	)
	for name, tc := range map[string]struct {
		files  map[string]string
		found  string
		reason fact.Reason
	}{
		"both":           {map[string]string{TableTCP4: columns + etcd4, TableTCP6: columns + etcd6}, "127.0.0.1 ::", ""},
		"no IPv6":        {map[string]string{TableTCP4: columns + etcd4}, "127.0.0.1", ""},
		"no table":       {map[string]string{TableTCP6: columns + etcd6}, "::", fact.NotPresent},
		"a broken table": {map[string]string{TableTCP4: columns + etcd4 + "nonsense\n", TableTCP6: columns + etcd6}, "127.0.0.1 ::", fact.Corrupt},
		"no permission":  {map[string]string{TableTCP4: columns + etcd4, TableTCP6: "forbidden"}, "127.0.0.1", fact.Unreadable},
	} {
		t.Run(name, func(t *testing.T) {
			table := ReadTable(func(path string) (io.ReadCloser, error) {
				text, ok := tc.files[path]
				switch {
				case !ok:
					return nil, fs.ErrNotExist
				case text == "forbidden":
					return nil, fs.ErrPermission
				}
				return io.NopCloser(strings.NewReader(text)), nil
			})
			var found []string
			for _, s := range table.Sockets {
				found = append(found, s.Address())
			}
			if got := strings.Join(found, " "); got != tc.found || table.Reason != tc.reason || (table.Detail == "") != (tc.reason == "") {
				t.Errorf("found %q, %s: %s; want %q, %s", got, table.Reason, table.Detail, tc.found, tc.reason)
			}
			_, gaps := Measure(t.Context(), Options{Table: Table{Reason: table.Reason, Detail: table.Detail}, Wants: bothTLS})
			if want := 2 * min(1, len(tc.reason)); len(gaps) != want {
				t.Errorf("%d gaps, want %d", len(gaps), want)
			}
		})
	}
}
