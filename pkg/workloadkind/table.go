package workloadkind

// When the sources were read. Most repositories were read at their newest commit of June to August
// 2026. The catalogue of CRDs is datreeio/CRDs-catalog.
const (
	summer    = "2026-08"
	catalogue = "2026-08"
	unchecked = "2026-11" // general knowledge, written down then
)

// Sources that are no repository.
const (
	general = "general knowledge, not checked"
	crds    = "datreeio/CRDs-catalog"
	kubeAPI = "k8s.io/api"
)

func spec(at string) Part     { return Part{What: Spec, At: at} }
func template(at string) Part { return Part{What: Template, At: at} }
func nested(at string) Part   { return Part{What: Nested, At: at} }
func patch(at, why string) Part {
	return Part{What: Patch, At: at, Why: why}
}
func merged(part Part) Part { part.Merged = true; return part }

// lists are containers beside pod fields.
func lists(at string, containers ...string) Part {
	return Part{What: Assembled, At: at, Containers: containers, Merged: true}
}

func (p Part) withInit(init ...string) Part    { p.Init = init; return p }
func (p Part) withOuter(outer ...string) Part  { p.Outer = outer; return p }
func (p Part) withContext(field string) Part   { p.PodContext = field; return p }
func (p Part) bare() Part                      { p.Bare = true; return p }
func (p Part) withEphemeral(at ...string) Part { p.Ephemeral = at; return p }
func elsewhere(at, why, hint string) Part      { return Part{What: Made, At: at, Why: why, Hint: hint} }
func made(why, hint string) Part               { return Part{What: Made, Why: why, Hint: hint} }
func apart(at string) Part                     { return Part{What: Apart, At: at} }
func kinds(names ...string) []string           { return names }
func under(prefix string, parts ...Part) []Part { // the same parts, deeper
	out := make([]Part, len(parts))
	for i, p := range parts {
		if p.At != "" || p.What == Assembled {
			p.At = join(prefix, p.At)
		}
		outer := make([]string, len(p.Outer))
		for j := range p.Outer {
			outer[j] = join(prefix, p.Outer[j])
		}
		p.Outer = outer
		out[i] = p
	}
	return out
}

func join(prefix, at string) string {
	if at == "" {
		return prefix
	}
	return prefix + "." + at
}

func all(groups ...[]Part) []Part {
	var out []Part
	for _, g := range groups {
		out = append(out, g...)
	}
	return out
}

// What several rows have.
var (
	// argoWorkflow is below the spec of a Workflow.
	argoWorkflow = all(argoTemplates("templates[]"), argoTemplates("templateDefaults"), argoTemplates("templates[].steps[][].inline"),
		argoTemplates("templates[].dag.tasks[].inline"), []Part{
			patch("podSpecPatch", "changes every pod of the workflow, as text"),
			elsewhere("workflowTemplateRef", "its pods are declared by a WorkflowTemplate", "judge that WorkflowTemplate too"),
			elsewhere("templates[].steps[][].templateRef", "this step's pod is declared by another WorkflowTemplate", "judge that WorkflowTemplate too"),
			elsewhere("templates[].dag.tasks[].templateRef", "this task's pod is declared by another WorkflowTemplate", "judge that WorkflowTemplate too"),
			{What: Text, At: "templates[].resource.manifest"},
			elsewhere("templates[].resource.manifestFrom", "the object that it creates is an artifact", "judge that object as a manifest of its own"),
		})
	// tektonPipeline is below a pipeline's spec.
	tektonPipeline = []Part{
		lists("{tasks,finally}[].taskSpec", "steps[]", "sidecars[]"), stepActions("{tasks,finally}[].taskSpec"),
		elsewhere("{tasks,finally}[].taskRef", "this task's pod is declared by a Task", "judge that Task too"),
		elsewhere("{tasks,finally}[].pipelineRef", "its pods are declared by another Pipeline", "judge that Pipeline too"),
		lists("{tasks,finally}[].pipelineSpec.{tasks,finally}[].taskSpec", "steps[]", "sidecars[]"),
		elsewhere("{tasks,finally}[].pipelineSpec.{tasks,finally}[].taskRef", "this task's pod is declared by a Task", "judge that Task too"),
	}
	// rayCluster is below a RayCluster's spec.
	rayCluster = []Part{
		spec("headGroupSpec.template.spec"), spec("workerGroupSpecs[].template.spec"), lists("autoscalerOptions", ""),
	}
	volcanoTasks   = []Part{spec("tasks[].template.spec")}
	sparkTemplates = []Part{
		merged(template("{driver,executor}.template")),
		lists("{driver,executor}", "", "sidecars[]").withInit("initContainers[]").withContext("podSecurityContext").withOuter(""),
	}
	flinkPods = []Part{merged(spec("podTemplate.spec")), merged(spec("{jobManager,taskManager}.podTemplate.spec"))}
	// summerwind is a runner's flat spec.
	summerwind = []Part{
		lists("", "", "containers[]", "sidecarContainers[]").withInit("initContainers[]").withContext("securityContext"),
		elsewhere("dockerdWithinRunnerContainer", "the runner's container runs dockerd, so it is privileged", "run it without Docker in the runner"),
	}
	trainJob = []Part{
		lists("trainer", ""),
		merged(spec("runtimePatches[].trainingRuntimeSpec.template.spec.replicatedJobs[].template.spec.template.spec")),
		lists("podTemplateOverrides[].spec", "containers[]").withInit("initContainers[]"),
		made("its pods are declared by the TrainingRuntime that runtimeRef names", "judge that TrainingRuntime too"),
	}
	strimzi = []string{
		"kafkaContainer", "initContainer", "zookeeperContainer", "tlsSidecarContainer", "topicOperatorContainer", "userOperatorContainer",
		"cruiseControlContainer", "connectContainer", "buildContainer", "bridgeContainer", "mirrorMakerContainer", "container",
	}
	kubevirtVMI = []Part{
		lists("", "volumes[].containerDisk").bare(),
		elsewhere("domain.devices.hostDevices", "the virtual machine gets devices of the node", ""),
		elsewhere("domain.devices.gpus", "the virtual machine gets GPUs of the node", ""),
		elsewhere("domain.devices.filesystems", "the virtual machine shares file systems with its pod", ""),
		elsewhere("volumes[].hostDisk", "the virtual machine's disk is a file of the node", ""),
		elsewhere("volumes[].serviceAccount", "the virtual machine gets a service account's token", ""),
	}
	openshiftBuild = []Part{
		elsewhere("strategy.customStrategy.exposeDockerSocket", "the build's pod gets the node's Docker socket", "use a strategy that needs no socket"),
		elsewhere("strategy.dockerStrategy", "OpenShift makes a privileged build pod for it (unless BUILD_PRIVILEGED=false)", "judge the build pods, on a cluster"),
		elsewhere("strategy.sourceStrategy", "OpenShift makes a privileged build pod for it (unless BUILD_PRIVILEGED=false)", "judge the build pods, on a cluster"),
		elsewhere("strategy.customStrategy.from", "OpenShift runs this image in a privileged build pod (unless BUILD_PRIVILEGED=false)", "judge the build pods, on a cluster"),
		elsewhere("postCommit", "its command runs in a container of the image that was built", "judge the build pods, on a cluster"),
		made("OpenShift makes a build pod for it", "judge the build pods, on a cluster"),
	}
)

// argoTemplates is one template of a workflow.
func argoTemplates(at string) []Part {
	return []Part{
		lists(at, "container", "script", "containerSet.containers[]", "sidecars[]").withInit("initContainers[]").withOuter(""),
		lists(join(at, "executorPlugins[].spec.sidecar"), "container"),
		patch(join(at, "podSpecPatch"), "changes the pod as text"),
	}
}

// table has every kind that is known to hold pods or containers, and some whose pods are made
// elsewhere. Kinds that are not in it are judged by shape.
var table = []Row{
	// Kubernetes' own.
	{Group: "", Kinds: kinds("Pod"), Parts: []Part{spec("spec")}, Source: kubeAPI, Date: summer},
	{Group: "", Kinds: kinds("ReplicationController"), Parts: []Part{spec("spec.template.spec")}, Source: kubeAPI, Date: summer},
	{Group: "", Kinds: kinds("PodTemplate"), Parts: []Part{spec("template.spec")}, Source: kubeAPI, Date: summer},
	{Group: "apps", Kinds: kinds("Deployment", "DaemonSet", "StatefulSet", "ReplicaSet"), Parts: []Part{spec("spec.template.spec")}, Source: kubeAPI, Date: summer},
	{Group: "extensions", Kinds: kinds("Deployment", "DaemonSet", "ReplicaSet"), Parts: []Part{spec("spec.template.spec")}, Source: kubeAPI, Date: summer},
	{
		Group: "apps", Kinds: kinds("ControllerRevision"),
		Parts: []Part{spec("data.spec.template.spec")}, Optional: true, Source: general, Date: unchecked,
	},
	{Group: "batch", Kinds: kinds("Job"), Parts: []Part{spec("spec.template.spec")}, Source: kubeAPI, Date: summer},
	{Group: "batch", Kinds: kinds("CronJob"), Parts: []Part{spec("spec.jobTemplate.spec.template.spec")}, Source: kubeAPI, Date: summer},

	// Argo.
	{
		Group: "argoproj.io", Kinds: kinds("Rollout"),
		Parts: []Part{
			spec("spec.template.spec"),
			elsewhere("spec.workloadRef", "its pods are declared by the workload that it names", "judge that workload too"),
			apart("spec.strategy"), // its steps are steps of a rollout
		},
		By: "Argo Rollouts", Source: "argo-rollouts", Date: summer,
	},
	{Group: "argoproj.io", Kinds: kinds("Experiment"), Parts: []Part{spec("spec.templates[].template.spec")}, By: "Argo Rollouts", Source: "argo-rollouts", Date: summer},
	{
		Group: "argoproj.io", Kinds: kinds("AnalysisTemplate", "ClusterAnalysisTemplate", "AnalysisRun"),
		Parts: []Part{spec("spec.metrics[].provider.job.spec.template.spec")}, By: "Argo Rollouts", Optional: true, Source: "argo-rollouts", Date: summer,
	},
	{Group: "argoproj.io", Kinds: kinds("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate"), Parts: under("spec", argoWorkflow...), By: "Argo Workflows", Source: "argo-workflows", Date: summer},
	{Group: "argoproj.io", Kinds: kinds("CronWorkflow"), Parts: under("spec.workflowSpec", argoWorkflow...), By: "Argo Workflows", Source: "argo-workflows", Date: summer},
	{Group: "argoproj.io", Kinds: kinds("WorkflowTaskSet"), Parts: argoTemplates("spec.tasks.*"), By: "Argo Workflows", Optional: true, Source: "argo-workflows", Date: summer},
	{
		Group: "argoproj.io", Kinds: kinds("Sensor"),
		Parts: []Part{lists("spec.template", "container"), nested("spec.triggers[].template.{k8s,argoWorkflow}.source.resource")},
		By:    "Argo Events", Source: "argo-events", Date: summer,
	},
	{Group: "argoproj.io", Kinds: kinds("EventSource"), Parts: []Part{lists("spec.template", "container")}, By: "Argo Events", Source: "argo-events", Date: summer},
	{
		Group: "argoproj.io", Kinds: kinds("EventBus"),
		Parts: []Part{lists("spec.nats.native", "containerTemplate", "metricsContainerTemplate"), lists("spec.jetstream", "containerTemplate", "reloaderContainerTemplate", "metricsContainerTemplate")},
		By:    "Argo Events", Source: "argo-events; names of fields not checked", Date: summer,
	},

	// Tekton.
	{Group: "tekton.dev", Kinds: kinds("Task", "ClusterTask"), Parts: []Part{lists("spec", "steps[]", "sidecars[]"), stepActions("spec")}, By: "Tekton", Source: "tektoncd/pipeline", Date: summer},
	{Group: "tekton.dev", Kinds: kinds("StepAction"), Parts: []Part{lists("spec", "")}, By: "Tekton", Source: "tektoncd/pipeline", Date: summer},
	{
		Group: "tekton.dev", Kinds: kinds("TaskRun"),
		Parts: []Part{
			lists("spec.taskSpec", "steps[]", "sidecars[]").withOuter("spec.podTemplate"),
			stepActions("spec.taskSpec"),
			lists("status.taskSpec", "steps[]", "sidecars[]").withOuter("spec.podTemplate"),
			elsewhere("spec.taskRef", "its pod is declared by a Task", "judge that Task too"),
		},
		By: "Tekton", Source: "tektoncd/pipeline", Date: summer,
	},
	{Group: "tekton.dev", Kinds: kinds("Pipeline"), Parts: under("spec", tektonPipeline...), By: "Tekton", Source: "tektoncd/pipeline", Date: summer},
	{
		Group: "tekton.dev", Kinds: kinds("PipelineRun"),
		Parts: all(tektonRun("spec.pipelineSpec"), []Part{
			elsewhere("spec.pipelineRef", "its pods are declared by a Pipeline", "judge that Pipeline too"),
			elsewhere("spec.taskRunSpecs[].podTemplate", "it changes the pods of one task", ""),
			elsewhere("spec.taskRunSpecs[].taskPodTemplate", "it changes the pods of one task", ""),
		}),
		By: "Tekton", Source: "tektoncd/pipeline", Date: summer,
	},
	{
		Group: "tekton.dev", Kinds: kinds("CustomRun"),
		Parts: []Part{elsewhere("spec.customSpec.spec", "what it runs is for another controller", ""), elsewhere("spec.customRef", "what it runs is declared by another object", "judge that object too")},
		By:    "Tekton", Source: "tektoncd/pipeline", Date: summer,
	},
	{Group: "triggers.tekton.dev", Kinds: kinds("TriggerTemplate"), Parts: []Part{nested("spec.resourcetemplates[]")}, By: "Tekton Triggers", Source: "tektoncd/triggers v1beta1", Date: summer},

	// Knative.
	{Group: "serving.knative.dev", Kinds: kinds("Service", "Configuration"), Parts: []Part{spec("spec.template.spec")}, By: "Knative", Source: "knative/serving", Date: summer},
	{Group: "serving.knative.dev", Kinds: kinds("Revision"), Parts: []Part{spec("spec")}, By: "Knative", Source: "knative/serving", Date: summer},
	{Group: "sources.knative.dev", Kinds: kinds("ContainerSource", "IntegrationSource"), Parts: []Part{template("spec.template")}, By: "Knative", Source: "knative/eventing", Date: summer},

	// OpenKruise and agents.
	{Group: "apps.kruise.io", Kinds: kinds("CloneSet", "StatefulSet", "DaemonSet", "BroadcastJob"), Parts: []Part{template("spec.template")}, By: "OpenKruise", Source: "openkruise/kruise", Date: summer},
	{
		Group: "apps.kruise.io", Kinds: kinds("AdvancedCronJob"),
		Parts: []Part{template("spec.template.jobTemplate.spec.template"), template("spec.template.broadcastJobTemplate.spec.template")}, By: "OpenKruise", Source: "openkruise/kruise", Date: summer,
	},
	{
		Group: "apps.kruise.io", Kinds: kinds("UnitedDeployment"),
		Parts: []Part{
			template("spec.template.{statefulSetTemplate,advancedStatefulSetTemplate,cloneSetTemplate,deploymentTemplate}.spec.template"),
			patch("spec.topology.subsets[].patch", "changes the pods of a subset"),
		},
		By: "OpenKruise", Source: "openkruise/kruise", Date: summer,
	},
	{Group: "apps.kruise.io", Kinds: kinds("EphemeralJob"), Parts: []Part{lists("spec.template").withEphemeral("ephemeralContainers[]")}, By: "OpenKruise", Source: "openkruise/kruise", Date: summer},
	{Group: "apps.kruise.io", Kinds: kinds("SidecarSet"), Parts: []Part{lists("spec", "containers[]").withInit("initContainers[]")}, By: "OpenKruise", Source: "openkruise/kruise", Date: summer},
	{
		Group: "apps.kruise.io", Kinds: kinds("WorkloadSpread"),
		Parts: []Part{elsewhere("spec.subsets[].patch", "it changes the pods of another workload", "")}, By: "OpenKruise", Optional: true, Source: "openkruise/kruise", Date: summer,
	},
	{Group: "agents.kruise.io", Kinds: kinds("Sandbox", "SandboxSet", "SandboxTemplate"), Parts: []Part{template("spec.template")}, By: "OpenKruise", Source: "openkruise/agents", Date: summer},
	{Group: "agents.x-k8s.io", Kinds: kinds("Sandbox"), Parts: []Part{spec("spec.podTemplate.spec")}, Source: "kubernetes-sigs/agent-sandbox", Date: summer},
	{Group: "extensions.agents.x-k8s.io", Kinds: kinds("SandboxTemplate"), Parts: []Part{spec("spec.podTemplate.spec")}, Source: "kubernetes-sigs/agent-sandbox", Date: summer},

	// OpenShift.
	{
		Group: "apps.openshift.io", Kinds: kinds("DeploymentConfig"),
		Parts: []Part{
			spec("spec.template.spec"),
			lists("spec.strategy", "customParams"),
			lists("spec.strategy.{recreateParams,rollingParams}.{pre,mid,post}", "execNewPod"),
		},
		By: "OpenShift", Source: "openshift/api", Date: summer,
	},
	{Group: "build.openshift.io", Kinds: kinds("BuildConfig", "Build"), Parts: under("spec", openshiftBuild...), By: "OpenShift", Source: "openshift/api", Date: summer},
	{Group: "template.openshift.io", Kinds: kinds("Template"), Parts: []Part{nested("objects[]")}, By: "OpenShift", Optional: true, Source: "openshift/api", Date: summer},
	{Group: "template.openshift.io", Kinds: kinds("TemplateInstance"), Parts: []Part{nested("spec.template.objects[]")}, By: "OpenShift", Optional: true, Source: "openshift/api", Date: summer},
	{
		Group: "operators.coreos.com", Kinds: kinds("ClusterServiceVersion"),
		Parts: []Part{spec("spec.install.spec.deployments[].spec.template.spec")}, Optional: true, Source: crds, Date: catalogue,
	},

	// KubeVirt.
	{Group: "kubevirt.io", Kinds: kinds("VirtualMachine"), Parts: all(virtualMachine("spec.template"), virtualMade), By: "KubeVirt", Source: "kubevirt/kubevirt", Date: summer},
	{Group: "kubevirt.io", Kinds: kinds("VirtualMachineInstance"), Parts: all(virtualMachine(""), virtualMade), By: "KubeVirt", Source: "kubevirt/kubevirt", Date: summer},
	{Group: "kubevirt.io", Kinds: kinds("VirtualMachineInstanceReplicaSet"), Parts: all(virtualMachine("spec.template"), virtualMade), By: "KubeVirt", Source: general, Date: unchecked},
	{Group: "pool.kubevirt.io", Kinds: kinds("VirtualMachinePool"), Parts: all(virtualMachine("spec.virtualMachineTemplate.spec.template"), virtualMade), By: "KubeVirt", Source: general, Date: unchecked},

	// Kubeflow.
	{Group: "kubeflow.org", Kinds: kinds("PyTorchJob"), Parts: []Part{spec("spec.pytorchReplicaSpecs.*.template.spec")}, By: "Kubeflow", Source: "kubeflow/training-operator release-1.9", Date: "2025-02"},
	{Group: "kubeflow.org", Kinds: kinds("TFJob"), Parts: []Part{spec("spec.tfReplicaSpecs.*.template.spec")}, By: "Kubeflow", Source: "kubeflow/training-operator release-1.9", Date: "2025-02"},
	{Group: "kubeflow.org", Kinds: kinds("XGBoostJob"), Parts: []Part{spec("spec.xgbReplicaSpecs.*.template.spec")}, By: "Kubeflow", Source: "kubeflow/training-operator release-1.9", Date: "2025-02"},
	{Group: "kubeflow.org", Kinds: kinds("PaddleJob"), Parts: []Part{spec("spec.paddleReplicaSpecs.*.template.spec")}, By: "Kubeflow", Source: "kubeflow/training-operator release-1.9", Date: "2025-02"},
	{Group: "kubeflow.org", Kinds: kinds("JAXJob"), Parts: []Part{spec("spec.jaxReplicaSpecs.*.template.spec")}, By: "Kubeflow", Source: "kubeflow/training-operator release-1.9", Date: "2025-02"},
	{Group: "kubeflow.org", Kinds: kinds("MPIJob"), Parts: []Part{spec("spec.mpiReplicaSpecs.*.template.spec")}, By: "Kubeflow", Source: "kubeflow/mpi-operator", Date: summer},
	{Group: "kubeflow.org", Kinds: kinds("Notebook"), Parts: []Part{spec("spec.template.spec")}, By: "Kubeflow", Source: "kubeflow/notebooks", Date: summer},
	{Group: "kubeflow.org", Kinds: kinds("PVCViewer"), Parts: []Part{spec("spec.podSpec")}, By: "Kubeflow", Source: "kubeflow/notebooks", Date: summer},
	{Group: "kubeflow.org", Kinds: kinds("Experiment"), Parts: []Part{nested("spec.trialTemplate.trialSpec"), elsewhere("spec.trialTemplate.configMap", "its trials are declared by a template in a ConfigMap", "judge the trials' pods, on a cluster")}, By: "Katib", Source: "kubeflow/katib", Date: summer},
	{Group: "kubeflow.org", Kinds: kinds("Trial"), Parts: []Part{nested("spec.runSpec")}, By: "Katib", Source: "kubeflow/katib", Date: summer},
	{
		Group: "trainer.kubeflow.org", Kinds: kinds("TrainingRuntime", "ClusterTrainingRuntime"),
		Parts: []Part{spec("spec.template.spec.replicatedJobs[].template.spec.template.spec")}, By: "Kubeflow", Source: "kubeflow/trainer", Date: summer,
	},
	{Group: "trainer.kubeflow.org", Kinds: kinds("TrainJob"), Parts: under("spec", trainJob...), By: "Kubeflow", Source: "kubeflow/trainer", Date: summer},
	{Group: "trainer.kubeflow.org", Kinds: kinds("OptimizationJob"), Parts: under("spec.trainJobTemplate.spec", trainJob...), By: "Kubeflow", Source: "kubeflow/trainer", Date: summer},

	// Spark, Ray and other batch systems.
	{Group: "sparkoperator.k8s.io", Kinds: kinds("SparkApplication"), Parts: under("spec", sparkTemplates...), By: "the Spark operator", Source: "kubeflow/spark-operator", Date: summer},
	{Group: "sparkoperator.k8s.io", Kinds: kinds("ScheduledSparkApplication"), Parts: under("spec.template", sparkTemplates...), By: "the Spark operator", Source: "kubeflow/spark-operator", Date: summer},
	{Group: "sparkoperator.k8s.io", Kinds: kinds("SparkConnect"), Parts: []Part{merged(template("spec.{server,executor}.template"))}, By: "the Spark operator", Source: "kubeflow/spark-operator", Date: summer},
	{Group: "ray.io", Kinds: kinds("RayCluster"), Parts: under("spec", rayCluster...), By: "KubeRay", Source: "ray-project/kuberay", Date: summer},
	{Group: "ray.io", Kinds: kinds("RayJob"), Parts: all(under("spec.rayClusterSpec", rayCluster...), []Part{spec("spec.submitterPodTemplate.spec")}, rayElsewhere("spec")), By: "KubeRay", Source: "ray-project/kuberay", Date: summer},
	{Group: "ray.io", Kinds: kinds("RayService"), Parts: under("spec.rayClusterConfig", rayCluster...), By: "KubeRay", Source: "ray-project/kuberay", Date: summer},
	{
		Group: "ray.io", Kinds: kinds("RayCronJob"),
		Parts: all(under("spec.jobTemplate.rayClusterSpec", rayCluster...), []Part{spec("spec.jobTemplate.submitterPodTemplate.spec")}, rayElsewhere("spec.jobTemplate")), By: "KubeRay", Source: "ray-project/kuberay", Date: summer,
	},
	{Group: "jobset.x-k8s.io", Kinds: kinds("JobSet"), Parts: []Part{spec("spec.replicatedJobs[].template.spec.template.spec")}, By: "JobSet", Source: "kubernetes-sigs/jobset", Date: summer},
	{Group: "leaderworkerset.x-k8s.io", Kinds: kinds("LeaderWorkerSet"), Parts: []Part{spec("spec.leaderWorkerTemplate.{leaderTemplate,workerTemplate}.spec")}, Source: "kubernetes-sigs/lws", Date: summer},
	{Group: "disaggregatedset.x-k8s.io", Kinds: kinds("DisaggregatedSet"), Parts: []Part{spec("spec.roles[].spec.leaderWorkerTemplate.{leaderTemplate,workerTemplate}.spec")}, Source: "kubernetes-sigs/lws", Date: summer},
	{Group: "batch.volcano.sh", Kinds: kinds("Job"), Parts: under("spec", volcanoTasks...), By: "Volcano", Source: "volcano-sh/volcano", Date: summer},
	{Group: "batch.volcano.sh", Kinds: kinds("CronJob"), Parts: under("spec.jobTemplate.spec", volcanoTasks...), By: "Volcano", Source: "volcano-sh/volcano", Date: summer},
	{Group: "flow.volcano.sh", Kinds: kinds("JobTemplate"), Parts: under("spec", volcanoTasks...), By: "Volcano", Source: "volcano-sh/volcano", Date: summer},
	{
		Group: "flow.volcano.sh", Kinds: kinds("JobFlow"),
		Parts: []Part{
			merged(spec("spec.flows[].patch.jobSpec.tasks[].template.spec")),
			made("its pods are declared by JobTemplates", "judge these JobTemplates too"),
		},
		By: "Volcano", Source: "volcano-sh/volcano", Date: summer,
	},
	{Group: "kueue.x-k8s.io", Kinds: kinds("Workload"), Parts: []Part{spec("spec.podSets[].template.spec")}, Source: crds, Date: catalogue},
	{Group: "flink.apache.org", Kinds: kinds("FlinkDeployment"), Parts: under("spec", flinkPods...), By: "the Flink operator", Source: "apache/flink-kubernetes-operator", Date: summer},
	{Group: "flink.apache.org", Kinds: kinds("FlinkBlueGreenDeployment"), Parts: under("spec.template.spec", flinkPods...), By: "the Flink operator", Source: "apache/flink-kubernetes-operator", Date: summer},
	{
		Group: "kubernetes.dask.org", Kinds: kinds("DaskCluster"),
		Parts: []Part{spec("spec.{scheduler,worker}.spec")}, By: "the Dask operator", Source: "dask/dask-kubernetes", Date: "2025-07",
	},
	{Group: "kubernetes.dask.org", Kinds: kinds("DaskJob"), Parts: []Part{spec("spec.job.spec"), spec("spec.cluster.spec.{scheduler,worker}.spec")}, By: "the Dask operator", Source: "dask/dask-kubernetes", Date: "2025-07"},
	{Group: "kubernetes.dask.org", Kinds: kinds("DaskWorkerGroup"), Parts: []Part{spec("spec.worker.spec")}, By: "the Dask operator", Source: "dask/dask-kubernetes", Date: "2025-07"},

	// Messaging, monitoring, scaling.
	{Group: "core.strimzi.io", Kinds: kinds("StrimziPodSet"), Parts: []Part{nested("spec.pods[]")}, By: "Strimzi", Source: "strimzi/strimzi-kafka-operator", Date: summer},
	{
		Group: "kafka.strimzi.io", Kinds: kinds("Kafka"),
		Parts: []Part{lists("spec.{kafka,zookeeper,entityOperator,cruiseControl,kafkaExporter}.template", strimzi...).withContext("pod.securityContext")},
		By:    "Strimzi", Source: "strimzi/strimzi-kafka-operator; names of containers not checked", Date: summer,
	},
	{
		Group: "kafka.strimzi.io", Kinds: kinds("KafkaConnect", "KafkaBridge", "KafkaMirrorMaker", "KafkaMirrorMaker2", "KafkaNodePool"),
		Parts: []Part{lists("spec.template", strimzi...).withContext("pod.securityContext")},
		By:    "Strimzi", Source: "strimzi/strimzi-kafka-operator; names of containers not checked", Date: summer,
	},
	{
		Group: "monitoring.coreos.com", Kinds: kinds("Prometheus", "PrometheusAgent", "Alertmanager", "ThanosRuler"),
		Parts: []Part{lists("spec", "containers[]").withInit("initContainers[]")}, By: "the Prometheus operator", Source: "prometheus-operator/prometheus-operator", Date: summer,
	},
	{Group: "keda.sh", Kinds: kinds("ScaledJob"), Parts: []Part{spec("spec.jobTargetRef.template.spec")}, By: "KEDA", Source: "kedacore/keda", Date: summer},

	// Continuous integration.
	{Group: "actions.github.com", Kinds: kinds("AutoscalingRunnerSet"), Parts: []Part{spec("spec.template.spec"), merged(spec("spec.listenerTemplate.spec"))}, By: "Actions Runner Controller", Source: "actions/actions-runner-controller", Date: summer},
	{Group: "actions.github.com", Kinds: kinds("EphemeralRunnerSet"), Parts: []Part{spec("spec.ephemeralRunnerSpec.spec")}, By: "Actions Runner Controller", Source: "actions/actions-runner-controller", Date: summer},
	{Group: "actions.github.com", Kinds: kinds("EphemeralRunner"), Parts: []Part{spec("spec.spec")}, By: "Actions Runner Controller", Source: "actions/actions-runner-controller", Date: summer},
	{Group: "actions.github.com", Kinds: kinds("AutoscalingListener"), Parts: []Part{merged(spec("spec.template.spec"))}, By: "Actions Runner Controller", Source: "actions/actions-runner-controller", Date: summer},
	{Group: "actions.summerwind.dev", Kinds: kinds("RunnerSet"), Parts: []Part{merged(spec("spec.template.spec"))}, By: "Actions Runner Controller", Source: "actions/actions-runner-controller", Date: summer},
	{Group: "actions.summerwind.dev", Kinds: kinds("RunnerDeployment", "RunnerReplicaSet"), Parts: under("spec.template.spec", summerwind...), By: "Actions Runner Controller", Source: "actions/actions-runner-controller", Date: summer},
	{Group: "actions.summerwind.dev", Kinds: kinds("Runner"), Parts: under("spec", summerwind...), By: "Actions Runner Controller", Source: "actions/actions-runner-controller", Date: summer},
	{
		Group: "apps.gitlab.com", Kinds: kinds("Runner"),
		Parts: []Part{
			elsewhere("spec.podSpec", "it changes the pods of jobs, as text", "judge the jobs' pods, on a cluster"),
			elsewhere("spec.deploymentSpec", "it changes the runner's pod, as text", "judge the runner's pod, on a cluster"),
		},
		By: "the GitLab Runner operator", Source: "gitlab-org/gl-openshift/gitlab-runner-operator MR 197; fields not checked", Date: summer,
	},
	{Group: "jenkins.io", Kinds: kinds("Jenkins"), Parts: []Part{lists("spec.master", "containers[]")}, By: "the Jenkins operator", Source: "jenkinsci/kubernetes-operator", Date: "2026-02"},
	{
		Group: "kpack.io", Kinds: kinds("Image", "Build"),
		Parts: []Part{made("kpack makes a build pod for it, from its builder", "judge the build pods, on a cluster")}, By: "kpack", Source: "buildpacks-community/kpack", Date: summer,
	},
	{
		Group: "shipwright.io", Kinds: kinds("BuildStrategy", "ClusterBuildStrategy"),
		Parts: []Part{lists("spec", "steps[]", "buildSteps[]")}, By: "Shipwright", Source: "shipwright-io/build", Date: summer,
	},
	{
		Group: "shipwright.io", Kinds: kinds("Build", "BuildRun"),
		Parts: []Part{made("its pod is declared by a BuildStrategy", "judge that BuildStrategy too")}, By: "Shipwright", Source: "shipwright-io/build", Date: summer,
	},
	{
		Group: "prow.k8s.io", Kinds: kinds("ProwJob"),
		Parts: []Part{
			merged(spec("spec.pod_spec")), // Prow decorates it
			elsewhere("spec.tekton_pipeline_run_spec", "its pods are declared by a PipelineRun", "judge the PipelineRun"),
			elsewhere("spec.pipeline_run_spec", "its pods are declared by a PipelineRun", "judge the PipelineRun"),
			made("Jenkins or another agent runs it", ""),
		},
		By: "Prow", Source: "kubernetes-sigs/prow", Date: summer,
	},
	{
		Group: "testworkflows.testkube.io", Kinds: kinds("TestWorkflow", "TestWorkflowTemplate"),
		Parts: []Part{
			lists("spec", "container"), lists("spec", "services.*"),
			lists("spec.{setup,steps,after}[]", "container", "run", "parallel.run", "parallel.container", "services.*"),
			lists("spec.{setup,steps,after}[].{setup,steps}[]", "container", "run", "parallel.run", "parallel.container", "services.*"),
			elsewhere("spec.use", "it uses a TestWorkflowTemplate", "judge that template too"),
		},
		By: "Testkube", Source: crds, Date: catalogue,
	},
	{
		Group: "upgrade.cattle.io", Kinds: kinds("Plan"),
		Parts: []Part{lists("spec", "upgrade", "prepare"), elsewhere("spec.upgrade", "the system upgrade controller runs it privileged on nodes (not checked)", "judge its Jobs, on a cluster")},
		By:    "the system upgrade controller", Source: crds, Date: catalogue,
	},

	// Platforms and packages.
	{Group: "pkg.crossplane.io", Kinds: kinds("DeploymentRuntimeConfig"), Parts: []Part{merged(spec("spec.deploymentTemplate.spec.template.spec"))}, By: "Crossplane", Source: "crossplane/crossplane", Date: summer},
	{Group: "pkg.crossplane.io", Kinds: kinds("ControllerConfig"), Parts: []Part{lists("spec", "").withContext("podSecurityContext")}, By: "Crossplane", Source: crds, Date: catalogue},
	{
		Group: "cert-manager.io", Kinds: kinds("Issuer", "ClusterIssuer"),
		Parts: []Part{elsewhere("spec.acme.solvers[].http01.*.podTemplate", "it changes the solver's pods; the containers are cert-manager's", "")}, By: "cert-manager", Optional: true, Source: "cert-manager/cert-manager", Date: summer,
	},
	{Group: "agones.dev", Kinds: kinds("GameServer"), Parts: []Part{spec("spec.template.spec")}, By: "Agones", Source: "googleforgames/agones", Date: "2026-03"},
	{Group: "agones.dev", Kinds: kinds("GameServerSet", "Fleet"), Parts: []Part{spec("spec.template.spec.template.spec")}, By: "Agones", Source: "googleforgames/agones", Date: "2026-03"},
	{Group: "openfaas.com", Kinds: kinds("Function"), Parts: []Part{lists("spec", "")}, By: "OpenFaaS", Source: "openfaas/faas-netes", Date: "2026-05"},
	{
		Group: "serving.kserve.io", Kinds: kinds("InferenceService"),
		Parts: []Part{merged(spec("spec.{predictor,transformer,explainer}")), lists("spec.{predictor,transformer,explainer}", "model")}, By: "KServe", Source: "kserve/kserve", Date: summer,
	},
	{
		Group: "serving.kserve.io", Kinds: kinds("ServingRuntime", "ClusterServingRuntime"),
		Parts: []Part{lists("spec", "containers[]").withInit("initContainers[]"), lists("spec.workerSpec", "containers[]").withInit("initContainers[]")}, By: "KServe", Source: "kserve/kserve", Date: summer,
	},
	{
		Group: "serving.kserve.io", Kinds: kinds("LLMInferenceService", "LLMInferenceServiceConfig"),
		Parts: []Part{merged(spec("spec.{template,worker}")), merged(spec("spec.prefill.{template,worker}")), merged(spec("spec.router.scheduler.template"))}, By: "KServe", Source: "kserve/kserve", Date: summer,
	},
	{
		Group: "machinelearning.seldon.io", Kinds: kinds("SeldonDeployment"),
		Parts: []Part{merged(spec("spec.predictors[].componentSpecs[].spec")), lists("spec.predictors[].explainer", "containerSpec")}, By: "Seldon Core", Source: "SeldonIO/seldon-core", Date: "2026-01",
	},
	{Group: "mlops.seldon.io", Kinds: kinds("Server", "ServerConfig"), Parts: []Part{merged(spec("spec.podSpec"))}, By: "Seldon Core", Source: "SeldonIO/seldon-core v2", Date: "2026-01"},
	{Group: "mlops.seldon.io", Kinds: kinds("SeldonRuntime"), Parts: []Part{merged(spec("spec.overrides[].podSpec"))}, By: "Seldon Core", Source: "SeldonIO/seldon-core v2", Date: "2026-01"},
	{Group: "kro.run", Kinds: kinds("ResourceGraphDefinition"), Parts: []Part{nested("spec.resources[].template")}, By: "kro", Optional: true, Source: "kubernetes-sigs/kro", Date: summer},
	{
		Group: "kyverno.io", Kinds: kinds("Policy", "ClusterPolicy"), NoShape: true,
		Parts: []Part{
			elsewhere("spec.rules[].mutate.{patchStrategicMerge,patchesJson6902,patchesJSON6902}", "it changes objects of others", "judge these objects, on a cluster"),
			elsewhere("spec.rules[].mutate.foreach", "it changes objects of others", "judge these objects, on a cluster"),
			elsewhere("spec.rules[].generate.data.spec.template", "it creates workloads", "judge these, on a cluster"),
			elsewhere("spec.rules[].generate.data.spec.containers", "it creates pods", "judge these, on a cluster"),
		},
		By: "Kyverno", Source: "kyverno/kyverno", Date: summer,
	},
	{Group: "policies.kyverno.io", Kinds: kinds("*"), NoShape: true, Source: "kyverno/kyverno", Date: summer},
	{Group: "constraints.gatekeeper.sh", Kinds: kinds("*"), NoShape: true, Source: "open-policy-agent/gatekeeper", Date: summer},
	{Group: "templates.gatekeeper.sh", Kinds: kinds("*"), NoShape: true, Source: "open-policy-agent/gatekeeper", Date: summer},
	{Group: "policies.kubewarden.io", Kinds: kinds("*"), NoShape: true, Source: "kubewarden/kubewarden-controller", Date: "2026-05"},
	{
		Group: "chainsaw.kyverno.io", Kinds: kinds("Test", "StepTemplate"), NoShape: true, Optional: true, By: "Chainsaw",
		Parts: []Part{
			nested("spec.steps[].{try,catch,finally,cleanup}[].{apply,create,update,patch}.resource"),
			nested("spec.{try,catch,finally,cleanup}[].{apply,create,update,patch}.resource"),
		},
		Source: "kyverno/chainsaw; files of tests in kyverno/kyverno v1.19.1", Date: summer,
	},
	// What commands and servers exchange: no API server keeps it.
	{Group: "chainsaw.kyverno.io", Kinds: kinds("*"), NoShape: true, Source: "kyverno/chainsaw; files of tests in kyverno/kyverno v1.19.1", Date: summer},
	{Group: "cli.kyverno.io", Kinds: kinds("*"), NoShape: true, Source: "kyverno/kyverno v1.19.1, files of tests", Date: summer},
	{Group: "admission.k8s.io", Kinds: kinds("*"), NoShape: true, Source: "k8s.io/api", Date: summer},
	{Group: "imagepolicy.k8s.io", Kinds: kinds("*"), NoShape: true, Source: "k8s.io/api", Date: summer},
	{Group: "apiextensions.k8s.io", Kinds: kinds("ConversionReview"), NoShape: true, Source: "k8s.io/apiextensions-apiserver", Date: summer},
	{Group: "apiextensions.k8s.io", Kinds: kinds("CustomResourceDefinition"), NoShape: true, Source: "k8s.io/apiextensions-apiserver", Date: summer},

	// Elastic, databases and the rest.
	{
		Group: "*.k8s.elastic.co", Kinds: kinds("Elasticsearch"),
		Parts: []Part{merged(template("spec.nodeSets[].podTemplate"))}, By: "ECK", Source: crds, Date: catalogue,
	},
	{
		Group: "*.k8s.elastic.co", Kinds: kinds("Kibana", "ApmServer", "Logstash"),
		Parts: []Part{merged(template("spec.podTemplate"))}, By: "ECK", Source: crds, Date: catalogue,
	},
	{
		Group: "*.k8s.elastic.co", Kinds: kinds("EnterpriseSearch", "ElasticMapsServer"),
		Parts: []Part{merged(template("spec.podTemplate"))}, By: "ECK", Source: general, Date: unchecked,
	},
	{
		Group: "*.k8s.elastic.co", Kinds: kinds("Beat", "Agent"),
		Parts: []Part{merged(template("spec.{daemonSet,deployment,statefulSet}.podTemplate"))}, By: "ECK", Source: crds, Date: catalogue,
	},
	{
		Group: "operator.victoriametrics.com", Kinds: kinds("VMAgent", "VMSingle", "VMAuth"),
		Parts: []Part{lists("spec", "containers[]").withInit("initContainers[]")}, By: "the VictoriaMetrics operator", Source: crds, Date: catalogue,
	},
	{
		Group: "operator.victoriametrics.com", Kinds: kinds("VMAlert", "VMAlertmanager", "VLAgent", "VLSingle", "VTSingle", "VMAnomaly"),
		Parts: []Part{lists("spec", "containers[]").withInit("initContainers[]")}, By: "the VictoriaMetrics operator", Source: general, Date: unchecked,
	},
	{
		Group: "operator.victoriametrics.com", Kinds: kinds("VMCluster", "VLCluster", "VTCluster"),
		Parts: []Part{lists("spec.*", "containers[]").withInit("initContainers[]")}, By: "the VictoriaMetrics operator", Source: general, Date: unchecked,
	},
	{
		Group: "opentelemetry.io", Kinds: kinds("OpenTelemetryCollector"),
		Parts: []Part{lists("spec", "", "additionalContainers[]").withInit("initContainers[]").withContext("podSecurityContext")}, By: "the OpenTelemetry operator", Source: crds, Date: catalogue,
	},
	{Group: "postgresql.cnpg.io", Kinds: kinds("Pooler"), Parts: []Part{merged(spec("spec.template.spec"))}, By: "CloudNativePG", Source: crds, Date: catalogue},
	{Group: "rabbitmq.com", Kinds: kinds("RabbitmqCluster"), Parts: []Part{merged(spec("spec.override.statefulSet.spec.template.spec"))}, By: "the RabbitMQ operator", Source: crds, Date: catalogue},
	{Group: "acid.zalan.do", Kinds: kinds("postgresql"), Parts: []Part{lists("spec", "sidecars[]").withInit("initContainers[]")}, By: "the Postgres operator", Source: crds, Date: catalogue},
	{Group: "vault.banzaicloud.com", Kinds: kinds("Vault"), Parts: []Part{merged(spec("spec.vaultPodSpec"))}, By: "the Bank-Vaults operator", Source: crds, Date: catalogue},
	{Group: "pxc.percona.com", Kinds: kinds("PerconaXtraDBCluster"), Parts: []Part{lists("spec.{pxc,haproxy,proxysql}", "sidecars[]")}, By: "the Percona operator", Source: crds + "; paths not checked", Date: catalogue},
	{Group: "psmdb.percona.com", Kinds: kinds("PerconaServerMongoDB"), Parts: []Part{lists("spec.replsets[]", "sidecars[]"), lists("spec.sharding.{configsvrReplSet,mongos}", "sidecars[]")}, By: "the Percona operator", Source: crds + "; paths not checked", Date: catalogue},
	{Group: "pgv2.percona.com", Kinds: kinds("PerconaPGCluster"), Parts: []Part{lists("spec.instances[]", "sidecars[]"), lists("spec.proxy.pgBouncer", "sidecars[]")}, By: "the Percona operator", Source: crds + "; paths not checked", Date: catalogue},
	{Group: "grafana.integreatly.org", Kinds: kinds("Grafana"), Parts: []Part{merged(spec("spec.deployment.spec.template.spec"))}, By: "the Grafana operator", Source: crds, Date: catalogue},
	{Group: "k8up.io", Kinds: kinds("PodConfig"), Parts: []Part{merged(spec("spec.template.spec"))}, By: "K8up", Source: crds, Date: catalogue},
	{Group: "temporal.io", Kinds: kinds("WorkerDeployment"), Parts: []Part{spec("spec.template.spec")}, By: "Temporal", Source: crds, Date: catalogue},
	{
		Group: "apps.openyurt.io", Kinds: kinds("YurtAppSet"),
		Parts: []Part{template("spec.workload.workloadTemplate.{deploymentTemplate,statefulSetTemplate}.spec.template")}, By: "OpenYurt", Source: "openyurtio/openyurt; path not checked", Date: summer,
	},
	{Group: "apps.openyurt.io", Kinds: kinds("YurtStaticSet"), Parts: []Part{template("spec.template")}, By: "OpenYurt", Source: "openyurtio/openyurt", Date: summer},
	{Group: "work.open-cluster-management.io", Kinds: kinds("ManifestWork"), Parts: []Part{nested("spec.workload.manifests[]")}, Optional: true, Source: general, Date: unchecked},
	{Group: "work.open-cluster-management.io", Kinds: kinds("ManifestWorkReplicaSet"), Parts: []Part{nested("spec.manifestWorkTemplate.workload.manifests[]")}, Optional: true, Source: general, Date: unchecked},
	{
		Group: "kubectl-checklist.github.io", Kinds: kinds("ChecklistFacts"),
		Parts: []Part{made("it holds the facts of an earlier run", "kubectl checklist pods --facts FILE judges them"), apart("facts")}, By: "kubectl checklist", Source: "pkg/api/v1alpha1", Date: "2026-11",
	},
	{Group: "kubernetes.crossplane.io", Kinds: kinds("Object"), Parts: []Part{nested("spec.forProvider.manifest")}, By: "Crossplane", Optional: true, Source: general, Date: unchecked},
}

// tektonRun is a pipeline in a run, whose pod template holds for all tasks.
// stepActions are steps that another object declares.
func stepActions(at string) Part {
	return Part{What: Made, At: join(at, "steps[].ref"), Covers: true, Why: "the step is declared by a StepAction", Hint: "judge that StepAction too"}
}

func tektonRun(at string) []Part {
	parts := under(at, tektonPipeline...)
	for i := range parts {
		if parts[i].What == Assembled {
			parts[i].Outer = []string{"spec.taskRunTemplate.podTemplate", "spec.podTemplate"}
		}
	}
	return parts
}

// virtualMade is said if nothing else of a virtual machine is.
var virtualMade = []Part{made("KubeVirt makes a pod for the virtual machine", "judge its virt-launcher pod, on a cluster")}

// virtualMachine is a template of a virtual machine instance.
func virtualMachine(at string) []Part {
	parts := under(join0(at, "spec"), kubevirtVMI...)
	return append(parts, Part{What: Annotated, At: join0(at, "metadata.annotations"), Merged: true})
}

func join0(prefix, at string) string {
	if prefix == "" {
		return at
	}
	return join(prefix, at)
}

func rayElsewhere(at string) []Part {
	return []Part{elsewhere(at+".clusterSelector", "it runs on a RayCluster that exists", "judge that RayCluster too")}
}
