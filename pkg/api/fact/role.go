package fact

// Roles that a node can have in the control plane, by its labels
// node-role.kubernetes.io/ROLE. The admission plugin NodeRestriction refuses these
// labels to kubelets. kubeadm and the managed services switch it on. So a node that
// the API lists with such a label did not set it itself.
const (
	rolePrefix       = "node-role.kubernetes.io/"
	RoleControlPlane = "control-plane"
	RoleMaster       = "master" // before Kubernetes 1.24
	RoleEtcd         = "etcd"   // Rancher, RKE2
)

// HasRole reports whether a node's labels give it one of these roles.
func HasRole(labels map[string]string, roles ...string) bool {
	for _, role := range roles {
		if _, ok := labels[rolePrefix+role]; ok {
			return true
		}
	}
	return false
}

// InControlPlane reports whether a node's labels give it any role of the
// control plane.
func InControlPlane(labels map[string]string) bool {
	return HasRole(labels, RoleControlPlane, RoleMaster, RoleEtcd)
}
