//go:build linux && (amd64 || arm64)

package netprobe

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kubectl-checklist/kubectl-checklist/pkg/api/fact"
	"github.com/kubectl-checklist/kubectl-checklist/pkg/probe/answer"
)

func TestParse(t *testing.T) {
	request := answer.Request{Level: fact.LevelNet, Timeout: 90 * time.Second, TerminationLog: "/dev/termination-log"}
	both := []fact.Kind{fact.NodeTLS, fact.ServerTLS}
	many := make([]string, fact.MaxListeners+1)
	for i := range many {
		many[i] = fmt.Sprintf("127.0.0.1:%d=kubelet", i+1)
	}
	addresses := make([]string, maxHostIPs+1)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("192.0.2.%d", i)
	}
	for rule, tt := range map[string]struct {
		args []string
		want config
		err  string
	}{
		"nothing is given": {want: config{Request: request, wants: both}},
		"what a pod gives": {
			args: []string{"--node=n1", "--host-ips=192.0.2.1,2001:db8::1", "--kinds=server-tls", "--listeners=127.0.0.1:2379=kine,[::]:7443=apiserver-proxy", "--timeout=1m"},
			want: config{
				Request: answer.Request{Level: fact.LevelNet, Kinds: []fact.Kind{fact.ServerTLS}, Timeout: time.Minute, TerminationLog: "/dev/termination-log"},
				node:    "n1",
				hostIPs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
				listeners: map[netip.AddrPort]fact.ListenerPurpose{
					netip.MustParseAddrPort("127.0.0.1:2379"): fact.KineTCP, netip.MustParseAddrPort("[::]:7443"): fact.KubeAPIProxy,
				},
				wants: []fact.Kind{fact.ServerTLS},
			},
		},
		"a kind of another probe beside its own": {
			args: []string{"--kinds", "etcd,node-tls"},
			want: config{
				Request: answer.Request{Level: fact.LevelNet, Kinds: []fact.Kind{fact.Etcd, fact.NodeTLS}, Timeout: 90 * time.Second, TerminationLog: "/dev/termination-log"},
				wants:   []fact.Kind{fact.NodeTLS},
			},
		},
		"an address twice, once mapped": {
			args: []string{"--host-ips", "192.0.2.1, ::ffff:192.0.2.1"},
			want: config{Request: request, hostIPs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, wants: both},
		},
		"empty lists":                         {args: []string{"--host-ips=", "--listeners="}, want: config{Request: request, wants: both}},
		"only kinds of another probe":         {args: []string{"--kinds=etcd"}, err: "--kinds: expected some of [node-tls server-tls], found none of them"},
		"an address that the kubelet left":    {args: []string{"--host-ips=$(HOST_IPS)"}, err: `invalid value "$(HOST_IPS)" for flag -host-ips: expected IP addresses, found "$(HOST_IPS)"`},
		"a name instead of an address":        {args: []string{"--host-ips=localhost"}, err: `invalid value "localhost" for flag -host-ips: expected IP addresses, found "localhost"`},
		"every address":                       {args: []string{"--host-ips=0.0.0.0"}, err: `invalid value "0.0.0.0" for flag -host-ips: expected addresses of one host, found "0.0.0.0"`},
		"many hosts":                          {args: []string{"--host-ips=224.0.0.1"}, err: `invalid value "224.0.0.1" for flag -host-ips: expected addresses of one host, found "224.0.0.1"`},
		"a zone":                              {args: []string{"--host-ips=fe80::1%eth0"}, err: `invalid value "fe80::1%eth0" for flag -host-ips: expected addresses of one host, found "fe80::1%eth0"`},
		"a network":                           {args: []string{"--host-ips=192.0.2.0/24"}, err: `invalid value "192.0.2.0/24" for flag -host-ips: expected IP addresses, found "192.0.2.0/24"`},
		"too many addresses":                  {args: []string{"--host-ips=" + strings.Join(addresses, ",")}, err: fmt.Sprintf("invalid value %q for flag -host-ips: expected at most 16 addresses, found more", strings.Join(addresses, ","))},
		"an address in three words":           {args: []string{"--host-ips=192.0.2.1,192.0.2.2,192.0.2.1"}, want: config{Request: request, hostIPs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}, wants: both}},
		"a listener without a purpose":        {args: []string{"--listeners=127.0.0.1:2379"}, err: `invalid value "127.0.0.1:2379" for flag -listeners: expected ADDRESS:PORT=PURPOSE, found "127.0.0.1:2379"`},
		"a listener without a port":           {args: []string{"--listeners=127.0.0.1=kine"}, err: `invalid value "127.0.0.1=kine" for flag -listeners: expected an IP address and a port, found "127.0.0.1"`},
		"a listener on port 0":                {args: []string{"--listeners=127.0.0.1:0=kine"}, err: `invalid value "127.0.0.1:0=kine" for flag -listeners: expected an IP address and a port, found "127.0.0.1:0"`},
		"a listener of an unknown purpose":    {args: []string{"--listeners=127.0.0.1:1=web"}, err: fmt.Sprintf(`invalid value "127.0.0.1:1=web" for flag -listeners: expected a purpose of %v, found "web"`, fact.Purposes())},
		"two purposes for a listener":         {args: []string{"--listeners=127.0.0.1:1=kine,127.0.0.1:1=etcd-client"}, err: `invalid value "127.0.0.1:1=kine,127.0.0.1:1=etcd-client" for flag -listeners: expected one purpose for 127.0.0.1:1, found kine and etcd-client`},
		"too many listeners":                  {args: []string{"--listeners=" + strings.Join(many, ",")}, err: fmt.Sprintf("invalid value %q for flag -listeners: expected at most 64 listeners, found more", strings.Join(many, ","))},
		"a flag of the other probe":           {args: []string{"--root=/"}, err: "flag provided but not defined: -root"},
		"a way to leave the lock out":         {args: []string{"--no-lock"}, err: "flag provided but not defined: -no-lock"},
		"help":                                {args: []string{"--help"}, err: "usage: checklist-probe-net [--node NAME] [--host-ips LIST] [--listeners ADDRESS:PORT=PURPOSE,...] [--kinds LIST] [--timeout DURATION]; package wire describes its answer"},
		"an address that is not one, bounded": {args: []string{"--host-ips=" + strings.Repeat("x", 100)}, err: `invalid value "` + strings.Repeat("x", 100) + `" for flag -host-ips: expected IP addresses, found "` + strings.Repeat("x", 64) + `"`},
	} {
		t.Run(rule, func(t *testing.T) {
			got, err := parse(tt.args)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != tt.err {
				t.Fatalf("expected error %q, found %q", tt.err, text)
			}
			if tt.err != "" {
				if got.TerminationLog == "" {
					t.Error("expected usable outputs beside an error")
				}
				return
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(config{}), cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
