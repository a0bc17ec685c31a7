package launch

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// podWatch follows all pods of a run with one watch on the run's label. client-go's
// informer does the watching. If the watch breaks or is too old (410), the informer
// lists again. It waits between attempts.
type podWatch struct {
	mu   sync.Mutex
	pods map[string]*podNews // by pod name, only the pods that are followed
}

// podNews is the latest about one pod.
type podNews struct {
	pod  *corev1.Pod
	gone bool
	wake chan struct{} // holds at most one signal
}

// run watches until the context ends.
func (w *podWatch) run(ctx context.Context, o *Options) {
	pods := o.Client.Core.Pods(o.Namespace)
	selector := LabelRun + "=" + o.RunID
	_, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
				options.LabelSelector = selector
				return pods.List(ctx, options)
			},
			WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
				options.LabelSelector = selector
				return pods.Watch(ctx, options)
			},
		},
		ObjectType: &corev1.Pod{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(obj any) { w.put(obj, false) },
			UpdateFunc: func(_, obj any) { w.put(obj, false) },
			DeleteFunc: func(obj any) {
				if unknown, ok := obj.(cache.DeletedFinalStateUnknown); ok {
					obj = unknown.Obj
				}
				w.put(obj, true)
			},
		},
	})
	// The informer would log to the user's stderr. A broken watch is noticed anyway,
	// because each pod is also requested by name.
	controller.RunWithContext(klog.NewContext(ctx, klog.Logger{}))
}

func (w *podWatch) put(obj any, gone bool) {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	news := w.pods[pod.Name]
	if news == nil {
		return
	}
	news.pod, news.gone = pod, gone
	select {
	case news.wake <- struct{}{}:
	default:
	}
}

// follow starts to keep news of a pod, before the pod is created.
func (w *podWatch) follow(name string) *podNews {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pods == nil {
		w.pods = make(map[string]*podNews)
	}
	news := &podNews{wake: make(chan struct{}, 1)}
	w.pods[name] = news
	return news
}

func (w *podWatch) forget(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pods, name)
}

func (w *podWatch) latest(news *podNews) (pod *corev1.Pod, gone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return news.pod, news.gone
}
