// Command pods measures what a cluster of very many pods costs: the plugin's "pods -A", next
// to a loop that lists the same pods and drops them, and to kubectl. Each is a process of its
// own, of which the kernel counts the CPU time and the memory; so is the server.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/kubectl-checklist/kubectl-checklist/hack/podserver"
)

func main() {
	var (
		count  = flag.Int("pods", 100_000, "how many pods the cluster has")
		plugin = flag.String("plugin", "bin/kubectl-checklist", "the plugin")
		theirs = flag.String("kubectl", "", "kubectl; looked for if it is not given; none leaves it out")
		runs   = flag.Int("runs", 1, "how often each is run; the least CPU time counts")
		serve  = flag.Bool("serve", false, "only serve, and print the address")
		loop   = flag.String("loop", "", "only list the pods of a server")
		lists  = flag.Bool("all", false, "with -loop: list templates and owners as well")
	)
	flag.Parse()
	var err error
	switch {
	case *serve:
		err = server(*count)
	case *loop != "":
		err = bareLoop(*loop, *lists)
	default:
		err = compare(*count, *runs, *plugin, *theirs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func server(pods int) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go func() { // ends with the process that started it
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return http.Serve(listener, podserver.Cluster{Pods: pods})
}

const pageSize = 500

// bareLoop lists as the plugin does, and drops what it gets.
func bareLoop(host string, lists bool) error {
	ctx := context.Background()
	config := &rest.Config{Host: host, QPS: -1, ContentConfig: rest.ContentConfig{
		ContentType: runtime.ContentTypeProtobuf, AcceptContentTypes: runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON,
	}}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	pods, err := pages(func(o metav1.ListOptions) (int, string, error) {
		var list *corev1.PodList
		list, err := client.CoreV1().Pods("").List(ctx, o)
		if err != nil {
			return 0, "", err
		}
		return len(list.Items), list.Continue, nil
	})
	if err != nil {
		return err
	}
	fmt.Println(pods, "pods")
	if !lists {
		return nil
	}
	owners, err := metadata.NewForConfig(metadata.ConfigFor(config))
	if err != nil {
		return err
	}
	for _, page := range []func(metav1.ListOptions) (int, string, error){
		func(o metav1.ListOptions) (int, string, error) {
			list, err := client.AppsV1().Deployments("").List(ctx, o)
			if err != nil {
				return 0, "", err
			}
			return len(list.Items), list.Continue, nil
		},
		func(o metav1.ListOptions) (int, string, error) {
			list, err := client.AppsV1().DaemonSets("").List(ctx, o)
			if err != nil {
				return 0, "", err
			}
			return len(list.Items), list.Continue, nil
		},
		func(o metav1.ListOptions) (int, string, error) {
			list, err := owners.Resource(appsv1.SchemeGroupVersion.WithResource("replicasets")).List(ctx, o)
			if err != nil {
				return 0, "", err
			}
			return len(list.Items), list.Continue, nil
		},
	} {
		if _, err := pages(page); err != nil {
			return err
		}
	}
	return nil
}

func pages(page func(metav1.ListOptions) (int, string, error)) (total int, err error) {
	options := metav1.ListOptions{Limit: pageSize}
	for {
		n, next, err := page(options)
		if err != nil {
			return 0, err
		}
		total += n
		if options.Continue = next; next == "" {
			return total, nil
		}
	}
}

// cost is what the kernel says of a process.
type cost struct {
	cpu, wall time.Duration
	resident  float64 // MiB at most
	out       int64   // bytes on stdout
}

func compare(pods, runs int, plugin, kubectl string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cluster := podserver.Cluster{Pods: pods}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	address, stop, err := start(self, pods)
	if err != nil {
		return err
	}
	defer stop()
	config := filepath.Join(dir, "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: bench\nclusters:\n- {name: bench, cluster: {server: 'http://%s'}}\ncontexts:\n- {name: bench, context: {cluster: bench, user: bench}}\nusers:\n- {name: bench, user: {}}\n", address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	fmt.Printf("%d pods of %d owners in %d namespaces\n", pods, cluster.Owners(), cluster.Namespaces())
	fmt.Printf("%-44s %9s %9s %9s %9s %9s\n", "PROGRAM", "CPU", "WALL", "RSS", "OUTPUT", "OF LOOP")
	var loop cost
	row := func(name, program string, args ...string) (cost, error) {
		var least cost
		for i := range runs {
			c, err := measure(dir, program, args...)
			if err != nil {
				return cost{}, fmt.Errorf("%s: %w", name, err)
			}
			if i == 0 || c.cpu < least.cpu {
				least = c
			}
		}
		if loop.cpu == 0 {
			loop = least
		}
		fmt.Printf("%-44s %8.2fs %8.2fs %6.0fMiB %7.1fMB %8.2fx\n", name, least.cpu.Seconds(), least.wall.Seconds(), least.resident, float64(least.out)/1e6, float64(least.cpu)/float64(loop.cpu))
		return least, nil
	}
	if _, err := row("loop: pods, decoded and dropped", self, "-loop", "http://"+address); err != nil {
		return err
	}
	if _, err := row("loop: and templates and owners", self, "-loop", "http://"+address, "-all"); err != nil {
		return err
	}
	ours, err := row("pods -A", plugin, "pods", "-A", "--kubeconfig", config)
	if err != nil {
		return err
	}
	if kubectl == "" {
		kubectl = findKubectl()
	}
	if kubectl == "" || kubectl == "none" {
		fmt.Println("kubectl was not measured")
	} else {
		get, err := row("kubectl get pods -A -o json", kubectl, "get", "pods", "-A", "-o", "json", "--kubeconfig", config, "--cache-dir", filepath.Join(dir, "cache"))
		if err != nil {
			return err
		}
		fmt.Printf("pods -A takes %.2f of kubectl's CPU time; target: under 0.5\n", float64(ours.cpu)/float64(get.cpu))
	}
	fmt.Printf("pods -A takes %.2f of the loop's CPU time; target: at most 1.3; and %.0f MiB; target: under 200\n", float64(ours.cpu)/float64(loop.cpu), ours.resident)
	return nil
}

// start starts the server as a process of its own.
func start(self string, pods int) (address string, stop func(), err error) {
	cmd := exec.Command(self, "-serve", "-pods", fmt.Sprint(pods))
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
	var line [64]byte
	n, err := out.Read(line[:])
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the server did not start: %w", err)
	}
	return strings.TrimSpace(string(line[:n])), stop, nil
}

// measure runs a program. Its output is counted and dropped.
func measure(dir, program string, args ...string) (cost, error) {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "KUBECONFIG=")
	var out counter
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, err
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return cost{}, fmt.Errorf("no resource usage")
	}
	return cost{
		cpu: time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), wall: time.Since(began),
		resident: float64(usage.Maxrss) / 1024, out: int64(out),
	}, nil
}

type counter int64

func (c *counter) Write(data []byte) (int, error) {
	*c += counter(len(data))
	return len(data), nil
}

// findKubectl looks for kubectl where the test cluster has it, and in PATH.
func findKubectl() string {
	if home, err := os.UserHomeDir(); err == nil {
		for _, cached := range []string{"kubectl-checklist/cluster/*/bin/kubectl"} {
			if found, _ := filepath.Glob(filepath.Join(home, ".cache", cached)); len(found) > 0 {
				return found[len(found)-1]
			}
		}
	}
	found, err := exec.LookPath("kubectl")
	if err != nil {
		return ""
	}
	return found
}
