//! What the user writes down.

pub(super) const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: nginx}
spec: {containers: [{name: nginx, image: nginx}]}
";

/// It says what it has to say, and ends; or goes on.
pub(super) const TALKER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: talker}
spec:
  restartPolicy: Never
  containers: [{name: talker, image: busybox, command: [/bin/sh, -c, 'echo one; echo two; echo three; exit 3']}]
";

pub(super) const PAIR: &str = "
apiVersion: v1
kind: Pod
metadata: {name: pair}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: left, image: busybox, command: [/bin/sleep, '3600']}
  - {name: right, image: busybox, command: [/bin/sleep, '3600']}
";

pub(super) const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx, labels: {app: nginx}}
spec:
  replicas: 3
  selector: {matchLabels: {app: nginx}}
  template:
    metadata: {labels: {app: nginx}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: nginx, image: nginx, resources: {requests: {cpu: 100m}}}]
      tolerations:
      - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 5}
      - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 5}
";

pub(super) const SCALER: &str = "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: nginx, labels: {app: nginx}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: nginx}
  minReplicas: 1
  maxReplicas: 10
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
";

pub(super) const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: sleep}
spec:
  template:
    spec:
      restartPolicy: OnFailure
      containers: [{name: sleep, image: busybox, command: [/bin/sleep, '2']}]
";

pub(super) const CRON_JOB: &str = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: sleep}
spec:
  schedule: '0 3 * * *'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: OnFailure
          containers: [{name: sleep, image: busybox, command: [/bin/sleep, '1']}]
";

pub(super) const STATEFUL_SET: &str = "
apiVersion: v1
kind: Service
metadata: {name: sleep}
spec: {clusterIP: None, selector: {app: sleep}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: sleep}
spec:
  serviceName: sleep
  replicas: 2
  selector: {matchLabels: {app: sleep}}
  template:
    metadata: {labels: {app: sleep}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: sleep
        image: busybox
        command: [/bin/sleep, '3600']
        volumeMounts: [{name: sleep-volume, mountPath: /storagedir}]
  volumeClaimTemplates:
  - metadata: {name: sleep-volume}
    spec: {accessModes: [ReadWriteOnce], storageClassName: longhorn, resources: {requests: {storage: 1Gi}}}
";

pub(super) const DAEMON_SET: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: calico-system}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: calico-node, namespace: calico-system}
spec:
  selector: {matchLabels: {k8s-app: calico-node}}
  template:
    metadata: {labels: {k8s-app: calico-node}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: calico-node, image: busybox, command: [sleep, '3600']}]}
";
