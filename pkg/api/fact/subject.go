package fact

// The kinds of subjects that have a meaning here. An owner can be of any other
// kind that an API server knows.
const (
	SubjectPod                   = "Pod"
	SubjectDeployment            = "Deployment"
	SubjectReplicaSet            = "ReplicaSet"
	SubjectDaemonSet             = "DaemonSet"
	SubjectStatefulSet           = "StatefulSet"
	SubjectJob                   = "Job"
	SubjectCronJob               = "CronJob"
	SubjectReplicationController = "ReplicationController"
	SubjectNode                  = "Node"
	SubjectSecret                = "Secret"
	SubjectConfigMap             = "ConfigMap"
	SubjectNamespace             = "Namespace"

	// These are no API objects: the whole cluster; a container that the API does not
	// know, by its id; a file that the user named.
	SubjectCluster   = "Cluster"
	SubjectContainer = "Container"
	SubjectFile      = "File"
)
