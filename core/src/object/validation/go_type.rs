//! Values as upstream shows them in errors: JSON of its internal types, whose fields have their Go names and never hide.
//!
//! Upstream validates internal types without JSON names, so that a bad value reads `{"Name":"a","ResourceClaimName":null}`.
//! The table below says, for each such type, its fields in order and what an absent one shows.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::quantity::Quantity;

/// One line a type: its name, then its fields. A field's mark says what stands for it when it is absent:
/// `s` an empty text, `i` zero, `b` false, `q` the quantity zero, `-` null, `=Type` an empty value of that type,
/// `*Type` null or a value of that type, `[Type` null or a list of values of it. `~` hides an absent field, `+Type` stands
/// for the fields of that type.
/// The JSON name of a field follows from its Go name, except where `/name` gives it.
const TYPES: &str = "
PodSpec Volumes[Volume InitContainers[Container Containers[Container EphemeralContainers[EphemeralContainer RestartPolicy:s TerminationGracePeriodSeconds:- ActiveDeadlineSeconds:- DNSPolicy:s NodeSelector:- ServiceAccountName:s AutomountServiceAccountToken:- NodeName:s SecurityContext=PodSecurityContext ImagePullSecrets[LocalObjectReference Hostname:s Subdomain:s SetHostnameAsFQDN:- Affinity*Affinity SchedulerName:s Tolerations[Toleration HostAliases[HostAlias PriorityClassName:s Priority:- PreemptionPolicy:- DNSConfig*PodDNSConfig ReadinessGates[PodReadinessGate RuntimeClassName:- Overhead:- EnableServiceLinks:- TopologySpreadConstraints[TopologySpreadConstraint OS*PodOS SchedulingGates[PodSchedulingGate ResourceClaims[PodResourceClaim Resources*ResourceRequirements HostnameOverride:- SchedulingGroup:-
PodSecurityContext HostNetwork:b HostPID:b HostIPC:b ShareProcessNamespace:- HostUsers:- SELinuxOptions*SELinuxOptions WindowsOptions*WindowsSecurityContextOptions RunAsUser:- RunAsGroup:- RunAsNonRoot:- SupplementalGroups:- SupplementalGroupsPolicy:- FSGroup:- FSGroupChangePolicy:- Sysctls[Sysctl SeccompProfile*SeccompProfile AppArmorProfile*AppArmorProfile SELinuxChangePolicy:-
Container Name:s Image:s Command:- Args:- WorkingDir:s Ports[ContainerPort EnvFrom[EnvFromSource Env[EnvVar Resources=ResourceRequirements ResizePolicy[ContainerResizePolicy RestartPolicy:- RestartPolicyRules[ContainerRestartRule VolumeMounts[VolumeMount VolumeDevices[VolumeDevice LivenessProbe*Probe ReadinessProbe*Probe StartupProbe*Probe Lifecycle*Lifecycle TerminationMessagePath:s TerminationMessagePolicy:s ImagePullPolicy:s SecurityContext*SecurityContext Stdin:b StdinOnce:b TTY:b
EphemeralContainer Name:s Image:s Command:- Args:- WorkingDir:s Ports[ContainerPort EnvFrom[EnvFromSource Env[EnvVar Resources=ResourceRequirements ResizePolicy[ContainerResizePolicy RestartPolicy:- RestartPolicyRules[ContainerRestartRule VolumeMounts[VolumeMount VolumeDevices[VolumeDevice LivenessProbe*Probe ReadinessProbe*Probe StartupProbe*Probe Lifecycle*Lifecycle TerminationMessagePath:s TerminationMessagePolicy:s ImagePullPolicy:s SecurityContext*SecurityContext Stdin:b StdinOnce:b TTY:b TargetContainerName:s
ContainerPort Name:s HostPort:i ContainerPort:i Protocol:s HostIP:s
ContainerResizePolicy ResourceName:s RestartPolicy:s
ContainerRestartRule Action:s ExitCodes*ContainerRestartRuleOnExitCodes
ContainerRestartRuleOnExitCodes Operator:s Values:-
EnvFromSource Prefix:s ConfigMapRef*EnvSource SecretRef*EnvSource
EnvSource Name:s Optional:-
EnvVar Name:s Value:s ValueFrom*EnvVarSource
EnvVarSource FieldRef*ObjectFieldSelector ResourceFieldRef*ResourceFieldSelector ConfigMapKeyRef*KeySelector SecretKeyRef*KeySelector FileKeyRef*FileKeySelector
ObjectFieldSelector APIVersion:s FieldPath:s
ResourceFieldSelector ContainerName:s Resource:s Divisor:q
KeySelector Name:s Key:s Optional:-
FileKeySelector VolumeName:s Path:s Key:s Optional:-
ResourceRequirements Limits:- Requests:- Claims[ResourceClaim
ResourceClaim Name:s Request:s
VolumeMount Name:s ReadOnly:b RecursiveReadOnly:- MountPath:s SubPath:s MountPropagation:- SubPathExpr:s
VolumeDevice Name:s DevicePath:s
Probe Exec*ExecAction HTTPGet*HTTPGetAction TCPSocket*TCPSocketAction GRPC*GRPCAction InitialDelaySeconds:i TimeoutSeconds:i PeriodSeconds:i SuccessThreshold:i FailureThreshold:i TerminationGracePeriodSeconds:-
ExecAction Command:-
HTTPGetAction Path:s Port:i Host:s Scheme:s HTTPHeaders[HTTPHeader
HTTPHeader Name:s Value:s
TCPSocketAction Port:i Host:s
GRPCAction Port:i Service:-
Lifecycle PostStart*LifecycleHandler PreStop*LifecycleHandler StopSignal:-
LifecycleHandler Exec*ExecAction HTTPGet*HTTPGetAction TCPSocket*TCPSocketAction Sleep*SleepAction
SleepAction Seconds:i
SecurityContext Capabilities*Capabilities Privileged:- SELinuxOptions*SELinuxOptions WindowsOptions*WindowsSecurityContextOptions RunAsUser:- RunAsGroup:- RunAsNonRoot:- ReadOnlyRootFilesystem:- AllowPrivilegeEscalation:- ProcMount:- SeccompProfile*SeccompProfile AppArmorProfile*AppArmorProfile
Capabilities Add:- Drop:-
SELinuxOptions User:s Role:s Type:s Level:s
WindowsSecurityContextOptions GMSACredentialSpecName:- GMSACredentialSpec:- RunAsUserName:- HostProcess:-
SeccompProfile Type:s LocalhostProfile:-
AppArmorProfile Type:s LocalhostProfile:-
Sysctl Name:s Value:s
LocalObjectReference Name:s
Toleration Key:s Operator:s Value:s Effect:s TolerationSeconds:-
HostAlias IP:s Hostnames:-
PodDNSConfig Nameservers:- Searches:- Options[PodDNSConfigOption
PodDNSConfigOption Name:s Value:-
PodReadinessGate ConditionType:s
Condition type:s status:s ~observedGeneration:- lastTransitionTime:- reason:s message:s
PodOS Name:s
PodSchedulingGate Name:s
PodResourceClaim Name:s ResourceClaimName:- ResourceClaimTemplateName:-
PodIP IP:s
HostIP IP:s
Affinity NodeAffinity*NodeAffinity PodAffinity*PodAffinity PodAntiAffinity*PodAffinity
NodeAffinity RequiredDuringSchedulingIgnoredDuringExecution*NodeSelector PreferredDuringSchedulingIgnoredDuringExecution[PreferredSchedulingTerm
NodeSelector NodeSelectorTerms[NodeSelectorTerm
NodeSelectorTerm MatchExpressions[NodeSelectorRequirement MatchFields[NodeSelectorRequirement
NodeSelectorRequirement Key:s Operator:s Values:-
PreferredSchedulingTerm Weight:i Preference=NodeSelectorTerm
PodAffinity RequiredDuringSchedulingIgnoredDuringExecution[PodAffinityTerm PreferredDuringSchedulingIgnoredDuringExecution[WeightedPodAffinityTerm
WeightedPodAffinityTerm Weight:i PodAffinityTerm=PodAffinityTerm
PodAffinityTerm LabelSelector*LabelSelector Namespaces:- TopologyKey:s NamespaceSelector*LabelSelector MatchLabelKeys:- MismatchLabelKeys:-
TopologySpreadConstraint MaxSkew:i TopologyKey:s WhenUnsatisfiable:s LabelSelector*LabelSelector MinDomains:- NodeAffinityPolicy:- NodeTaintsPolicy:- MatchLabelKeys:-
LabelSelector ~matchLabels:- ~matchExpressions[LabelSelectorRequirement
LabelSelectorRequirement key:s operator:s ~values:-
Volume Name:s HostPath*HostPathVolumeSource EmptyDir*EmptyDirVolumeSource GCEPersistentDisk*GCEPersistentDiskVolumeSource AWSElasticBlockStore*AWSElasticBlockStoreVolumeSource GitRepo*GitRepoVolumeSource Secret*SecretVolumeSource NFS*NFSVolumeSource ISCSI*ISCSIVolumeSource Glusterfs*GlusterfsVolumeSource PersistentVolumeClaim*PersistentVolumeClaimVolumeSource RBD*RBDVolumeSource Quobyte*QuobyteVolumeSource FlexVolume*FlexVolumeSource Cinder*CinderVolumeSource CephFS/cephfs*CephFSVolumeSource Flocker*FlockerVolumeSource DownwardAPI*DownwardAPIVolumeSource FC*FCVolumeSource AzureFile*AzureFileVolumeSource ConfigMap*ConfigMapVolumeSource VsphereVolume*VsphereVirtualDiskVolumeSource AzureDisk*AzureDiskVolumeSource PhotonPersistentDisk*PhotonPersistentDiskVolumeSource Projected*ProjectedVolumeSource PortworxVolume*PortworxVolumeSource ScaleIO*ScaleIOVolumeSource StorageOS/storageos*StorageOSVolumeSource CSI*CSIVolumeSource Ephemeral*EphemeralVolumeSource Image*ImageVolumeSource
HostPathVolumeSource Path:s Type:-
EmptyDirVolumeSource Medium:s SizeLimit:-
GCEPersistentDiskVolumeSource PDName:s FSType:s Partition:i ReadOnly:b
AWSElasticBlockStoreVolumeSource VolumeID:s FSType:s Partition:i ReadOnly:b
GitRepoVolumeSource Repository:s Revision:s Directory:s
SecretVolumeSource SecretName:s Items[KeyToPath DefaultMode:- Optional:-
ConfigMapVolumeSource Name:s Items[KeyToPath DefaultMode:- Optional:-
KeyToPath Key:s Path:s Mode:-
NFSVolumeSource Server:s Path:s ReadOnly:b
ISCSIVolumeSource TargetPortal:s IQN:s Lun:i ISCSIInterface:s FSType:s ReadOnly:b Portals:- DiscoveryCHAPAuth/chapAuthDiscovery:b SessionCHAPAuth/chapAuthSession:b SecretRef*LocalObjectReference InitiatorName:-
GlusterfsVolumeSource EndpointsName/endpoints:s Path:s ReadOnly:b
PersistentVolumeClaimVolumeSource ClaimName:s ReadOnly:b
RBDVolumeSource CephMonitors/monitors:- RBDImage/image:s FSType:s RBDPool/pool:s RadosUser/user:s Keyring:s SecretRef*LocalObjectReference ReadOnly:b
QuobyteVolumeSource Registry:s Volume:s ReadOnly:b User:s Group:s Tenant:s
FlexVolumeSource Driver:s FSType:s SecretRef*LocalObjectReference ReadOnly:b Options:-
CinderVolumeSource VolumeID:s FSType:s ReadOnly:b SecretRef*LocalObjectReference
CephFSVolumeSource Monitors:- Path:s User:s SecretFile:s SecretRef*LocalObjectReference ReadOnly:b
FlockerVolumeSource DatasetName:s DatasetUUID:s
DownwardAPIVolumeSource Items[DownwardAPIVolumeFile DefaultMode:-
DownwardAPIVolumeFile Path:s FieldRef*ObjectFieldSelector ResourceFieldRef*ResourceFieldSelector Mode:-
FCVolumeSource TargetWWNs:- Lun:- FSType:s ReadOnly:b WWIDs/wwids:-
AzureFileVolumeSource SecretName:s ShareName:s ReadOnly:b
VsphereVirtualDiskVolumeSource VolumePath:s FSType:s StoragePolicyName:s StoragePolicyID:s
AzureDiskVolumeSource DiskName:s DataDiskURI/diskURI:s CachingMode:- FSType:- ReadOnly:- Kind:-
PhotonPersistentDiskVolumeSource PdID/pdID:s FSType:s
ProjectedVolumeSource Sources[VolumeProjection DefaultMode:-
VolumeProjection Secret*SecretProjection DownwardAPI*DownwardAPIProjection ConfigMap*SecretProjection ServiceAccountToken*ServiceAccountTokenProjection ClusterTrustBundle*ClusterTrustBundleProjection PodCertificate:-
SecretProjection Name:s Items[KeyToPath Optional:-
DownwardAPIProjection Items[DownwardAPIVolumeFile
ServiceAccountTokenProjection Audience:s ExpirationSeconds:i Path:s
ClusterTrustBundleProjection Name:- SignerName:- LabelSelector*LabelSelector Optional:- Path:s
PortworxVolumeSource VolumeID:s FSType:s ReadOnly:b
ScaleIOVolumeSource Gateway:s System:s SecretRef*LocalObjectReference SSLEnabled:b ProtectionDomain:s StoragePool:s StorageMode:s VolumeName:s FSType:s ReadOnly:b
StorageOSVolumeSource VolumeName:s VolumeNamespace:s FSType:s ReadOnly:b SecretRef*LocalObjectReference
CSIVolumeSource Driver:s ReadOnly:- FSType:- VolumeAttributes:- NodePublishSecretRef*LocalObjectReference
EphemeralVolumeSource VolumeClaimTemplate*PersistentVolumeClaimTemplate
PersistentVolumeClaimTemplate ^metadata Spec=PersistentVolumeClaimSpec
PersistentVolumeClaimSpec AccessModes:- Selector*LabelSelector Resources=VolumeResourceRequirements VolumeName:s StorageClassName:- VolumeMode:- DataSource*TypedLocalObjectReference DataSourceRef*TypedObjectReference VolumeAttributesClassName:-
VolumeResourceRequirements Limits:- Requests:-
TypedLocalObjectReference APIGroup:- Kind:s Name:s
TypedObjectReference APIGroup:- Kind:s Name:s Namespace:-
ImageVolumeSource Reference:s PullPolicy:s
PodTemplateSpec ^metadata Spec=PodSpec
ObjectMeta ~name:s ~generateName:s ~namespace:s ~selfLink:s ~uid:s ~resourceVersion:s ~generation:i ~creationTimestamp:- ~deletionTimestamp:- ~deletionGracePeriodSeconds:- ~labels:- ~annotations:- ~ownerReferences:- ~finalizers:- ~managedFields:-
DeploymentStrategy Type:s RollingUpdate*RollingUpdateDeployment
DaemonSetUpdateStrategy Type:s RollingUpdate*RollingUpdateDeployment
RollingUpdateDeployment MaxUnavailable:i MaxSurge:i
StatefulSetUpdateStrategy Type:s RollingUpdate*RollingUpdateStatefulSetStrategy
RollingUpdateStatefulSetStrategy Partition:i MaxUnavailable:-
PodFailurePolicy Rules[PodFailurePolicyRule
PodFailurePolicyRule Action:s OnExitCodes*PodFailurePolicyOnExitCodesRequirement OnPodConditions[PodFailurePolicyOnPodConditionsPattern
PodFailurePolicyOnExitCodesRequirement ContainerName:- Operator:s Values:-
PodFailurePolicyOnPodConditionsPattern Type:s Status:s
SuccessPolicy Rules[SuccessPolicyRule
SuccessPolicyRule SucceededIndexes:- SucceededCount:-
Taint Key:s Value:s Effect:s TimeAdded:-
RoleRef APIGroup:s Kind:s Name:s
PersistentVolumeSource GCEPersistentDisk*GCEPersistentDiskVolumeSource AWSElasticBlockStore*AWSElasticBlockStoreVolumeSource HostPath*HostPathVolumeSource Glusterfs*GlusterfsPersistentVolumeSource NFS*NFSVolumeSource RBD*RBDPersistentVolumeSource Quobyte*QuobyteVolumeSource ISCSI*ISCSIPersistentVolumeSource FlexVolume*FlexPersistentVolumeSource Cinder*CinderPersistentVolumeSource CephFS/cephfs*CephFSPersistentVolumeSource FC*FCVolumeSource Flocker*FlockerVolumeSource AzureFile*AzureFilePersistentVolumeSource VsphereVolume*VsphereVirtualDiskVolumeSource AzureDisk*AzureDiskVolumeSource PhotonPersistentDisk*PhotonPersistentDiskVolumeSource PortworxVolume*PortworxVolumeSource ScaleIO*ScaleIOPersistentVolumeSource Local*LocalVolumeSource StorageOS/storageos*StorageOSPersistentVolumeSource CSI*CSIPersistentVolumeSource
PersistentVolumeSpec Capacity:- +PersistentVolumeSource AccessModes:- ClaimRef*ObjectReference PersistentVolumeReclaimPolicy:s StorageClassName:s MountOptions:- VolumeMode:- NodeAffinity*VolumeNodeAffinity VolumeAttributesClassName:-
VolumeNodeAffinity Required*NodeSelector
GlusterfsPersistentVolumeSource EndpointsName/endpoints:s Path:s ReadOnly:b EndpointsNamespace:-
RBDPersistentVolumeSource CephMonitors/monitors:- RBDImage/image:s FSType:s RBDPool/pool:s RadosUser/user:s Keyring:s SecretRef*SecretReference ReadOnly:b
ISCSIPersistentVolumeSource TargetPortal:s IQN:s Lun:i ISCSIInterface:s FSType:s ReadOnly:b Portals:- DiscoveryCHAPAuth/chapAuthDiscovery:b SessionCHAPAuth/chapAuthSession:b SecretRef*SecretReference InitiatorName:-
FlexPersistentVolumeSource Driver:s FSType:s SecretRef*SecretReference ReadOnly:b Options:-
CinderPersistentVolumeSource VolumeID:s FSType:s ReadOnly:b SecretRef*SecretReference
CephFSPersistentVolumeSource Monitors:- Path:s User:s SecretFile:s SecretRef*SecretReference ReadOnly:b
AzureFilePersistentVolumeSource SecretName:s ShareName:s ReadOnly:b SecretNamespace:-
ScaleIOPersistentVolumeSource Gateway:s System:s SecretRef*SecretReference SSLEnabled:b ProtectionDomain:s StoragePool:s StorageMode:s VolumeName:s FSType:s ReadOnly:b
LocalVolumeSource Path:s FSType:-
StorageOSPersistentVolumeSource VolumeName:s VolumeNamespace:s FSType:s ReadOnly:b SecretRef*ObjectReference
CSIPersistentVolumeSource Driver:s VolumeHandle:s ReadOnly:b FSType:s VolumeAttributes:- ControllerPublishSecretRef*SecretReference NodeStageSecretRef*SecretReference NodePublishSecretRef*SecretReference ControllerExpandSecretRef*SecretReference NodeExpandSecretRef*SecretReference
SecretReference Name:s Namespace:s
EventSource Component:s Host:s
ObjectReference Kind:s Namespace:s Name:s UID:s APIVersion:s ResourceVersion:s FieldPath:s
VolumeAttachmentSpec Attacher:s Source=VolumeAttachmentSource NodeName:s
VolumeAttachmentSource PersistentVolumeName:- InlineVolumeSpec*PersistentVolumeSpec
CSINodeDriver Name:s NodeID:s TopologyKeys:- Allocatable*VolumeNodeResources
VolumeNodeResources Count:-
ResourceClaimTemplateSpec ^metadata Spec=ResourceClaimSpec
ResourceClaimSpec Devices=DeviceClaim
DeviceClaim Requests[DeviceRequest Constraints[DeviceConstraint Config[DeviceClaimConfiguration
DeviceRequest Name:s Exactly*ExactDeviceRequest FirstAvailable[DeviceSubRequest
ExactDeviceRequest DeviceClassName:s Selectors[DeviceSelector AllocationMode:s Count:i AdminAccess:- Tolerations[DeviceToleration Capacity*CapacityRequirements
DeviceSubRequest Name:s DeviceClassName:s Selectors[DeviceSelector AllocationMode:s Count:i Tolerations[DeviceToleration Capacity*CapacityRequirements
CapacityRequirements Requests:-
DeviceSelector CEL/cel*CELDeviceSelector
CELDeviceSelector Expression:s
DeviceToleration Key:s Operator:s Value:s Effect:s TolerationSeconds:-
DeviceConstraint Requests:- MatchAttribute:- DistinctAttribute:-
DeviceClaimConfiguration Requests:- Opaque*OpaqueDeviceConfiguration
OpaqueDeviceConfiguration Driver:s Parameters:-
";

/// A value on one line, as it stands in `Invalid value: ...`.
pub fn compact(value: &impl Serialize, type_name: &str) -> String {
    let shown = shown(value, type_name);
    let mut text = String::new();
    write_value(&shown, None, &mut text);
    text
}

/// A value on many lines, a space for each level, as upstream compares old and new.
pub fn pretty(value: &impl Serialize, type_name: &str) -> String {
    let shown = shown(value, type_name);
    let mut text = String::new();
    write_value(&shown, Some(0), &mut text);
    text
}

/// Whether two values mean the same to upstream: an empty list or map is as good as none, and amounts count, not texts.
pub fn same(one: &impl Serialize, other: &impl Serialize, type_name: &str) -> bool {
    same_shown(&shown(one, type_name), &shown(other, type_name), "")
}

fn same_shown(one: &Shown, other: &Shown, field: &str) -> bool {
    match (one, other) {
        _ if is_nothing(one) && is_nothing(other) => true,
        (Shown::Leaf(Value::Object(one)), Shown::Leaf(Value::Object(other)))
            if matches!(field, "Limits" | "Requests" | "Overhead") =>
        {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same_amount(value, other)))
        }
        (Shown::Leaf(one), Shown::Leaf(other)) if matches!(field, "SizeLimit" | "Divisor") => same_amount(one, other),
        (Shown::Leaf(one), Shown::Leaf(other)) => one == other,
        (Shown::List(one), Shown::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_shown(one, other, ""))
        }
        (Shown::Object(one), Shown::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|((name, one), (other_name, other))| name == other_name && same_shown(one, other, name))
        }
        _ => false,
    }
}

fn is_nothing(value: &Shown) -> bool {
    match value {
        Shown::Leaf(Value::Null) => true,
        Shown::Leaf(Value::Array(items)) => items.is_empty(),
        Shown::Leaf(Value::Object(fields)) => fields.is_empty(),
        Shown::List(items) => items.is_empty(),
        Shown::Leaf(_) | Shown::Object(_) => false,
    }
}

fn same_amount(one: &Value, other: &Value) -> bool {
    let amount = |value: &Value| value.as_str().and_then(|text| text.parse::<Quantity>().ok());
    one == other || amount(one).is_some_and(|one| amount(other) == Some(one))
}

/// JSON whose objects keep an order of their own.
enum Shown {
    Leaf(Value),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

fn shown(value: &impl Serialize, type_name: &str) -> Shown {
    let json = serde_json::to_value(value).unwrap_or(Value::Null);
    match json {
        Value::Object(mut fields) => {
            internal(&mut fields, type_name);
            object(&fields, type_name)
        }
        Value::Array(items) => Shown::List(items.iter().map(|item| structured(Some(item), type_name)).collect()),
        other => Shown::Leaf(other),
    }
}

/// Moves the fields that upstream holds elsewhere than its API: those about the host are in the security context.
fn internal(fields: &mut Map<String, Value>, type_name: &str) {
    match type_name {
        "PodTemplateSpec" => {
            if let Some(Value::Object(spec)) = fields.get_mut("spec") {
                internal(spec, "PodSpec");
            }
        }
        "PodSpec" => {
            let names = ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"];
            let moved: Vec<(String, Value)> =
                names.into_iter().filter_map(|name| Some((name.to_owned(), fields.remove(name)?))).collect();
            let context = fields.entry("securityContext").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(context) = context {
                context.extend(moved);
            }
        }
        _ => {}
    }
}

fn structured(value: Option<&Value>, type_name: &str) -> Shown {
    match value {
        Some(Value::Object(fields)) => object(fields, type_name),
        None => object(&Map::new(), type_name),
        Some(other) => Shown::Leaf(other.clone()),
    }
}

fn object(fields: &Map<String, Value>, type_name: &str) -> Shown {
    let Some(row) = TYPES.lines().find_map(|line| line.split_once(' ').filter(|(name, _)| *name == type_name)) else {
        return Shown::Leaf(Value::Object(fields.clone()));
    };
    let mut shown = Vec::new();
    for field in row.1.split(' ') {
        if let Some(embedded) = field.strip_prefix('^') {
            if let Shown::Object(inner) = structured(fields.get(embedded), "ObjectMeta") {
                shown.extend(inner);
            }
        } else if let Some(embedded) = field.strip_prefix('+') {
            if let Shown::Object(inner) = object(fields, embedded) {
                shown.extend(inner);
            }
        } else {
            shown.extend(one_field(field, fields));
        }
    }
    Shown::Object(shown)
}

fn one_field(field: &str, fields: &Map<String, Value>) -> Option<(String, Shown)> {
    let (hides, field) = field.strip_prefix('~').map_or((false, field), |field| (true, field));
    let mark_at = field.find([':', '=', '*', '['])?;
    let (names, mark) = field.split_at(mark_at);
    let (go_name, json_name) = match names.split_once('/') {
        Some((go_name, json_name)) => (go_name, json_name.to_owned()),
        None => (names, json_name_of(names)),
    };
    let value = fields.get(&json_name).filter(|value| !value.is_null());
    if hides && value.is_none() {
        return None;
    }
    let absent = |value: Value| Shown::Leaf(value);
    let shown = match (mark.split_at(1), value) {
        (("=", type_name), value) => structured(value, type_name),
        (("*", _) | ("[", _), None) => absent(Value::Null),
        (("*", type_name), value) => structured(value, type_name),
        (("[", type_name), Some(Value::Array(items))) => {
            Shown::List(items.iter().map(|item| structured(Some(item), type_name)).collect())
        }
        (_, Some(value)) => Shown::Leaf(value.clone()),
        ((_, "s"), None) => absent(Value::from("")),
        ((_, "i"), None) => absent(Value::from(0)),
        ((_, "b"), None) => absent(Value::from(false)),
        ((_, "q"), None) => absent(Value::from("0")),
        (_, None) => absent(Value::Null),
    };
    Some((go_name.to_owned(), shown))
}

/// `DNSPolicy` as `dnsPolicy`, `HostIP` as `hostIP`, `OS` as `os`.
fn json_name_of(go_name: &str) -> String {
    let capitals = go_name.bytes().take_while(u8::is_ascii_uppercase).count();
    let lowered = if capitals == go_name.len() { capitals } else { capitals.saturating_sub(1).max(1) };
    let (start, rest) = go_name.split_at(lowered.min(go_name.len()));
    format!("{}{rest}", start.to_ascii_lowercase())
}

fn write_value(value: &Shown, level: Option<usize>, out: &mut String) {
    match value {
        Shown::Leaf(Value::Array(items)) => {
            write_items(items.iter(), ('[', ']'), level, out, |item, level, out| {
                write_value(&Shown::Leaf(item.clone()), level, out);
            });
        }
        Shown::Leaf(Value::Object(fields)) => {
            write_items(fields.iter(), ('{', '}'), level, out, |(name, value), level, out| {
                write_name(name, level, out);
                write_value(&Shown::Leaf(value.clone()), level, out);
            });
        }
        Shown::Leaf(Value::String(text)) => write_text(text, out),
        Shown::Leaf(scalar) => {
            let _ = write!(out, "{scalar}");
        }
        Shown::List(items) => write_items(items.iter(), ('[', ']'), level, out, write_value),
        Shown::Object(fields) => {
            write_items(fields.iter(), ('{', '}'), level, out, |(name, value), level, out| {
                write_name(name, level, out);
                write_value(value, level, out);
            });
        }
    }
}

fn write_items<T>(
    items: impl ExactSizeIterator<Item = T>,
    (open, close): (char, char),
    level: Option<usize>,
    out: &mut String,
    mut each: impl FnMut(T, Option<usize>, &mut String),
) {
    out.push(open);
    let inner = level.map(|level| level + 1);
    let is_empty = items.len() == 0;
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        new_line(inner, out);
        each(item, inner, out);
    }
    if !is_empty {
        new_line(level, out);
    }
    out.push(close);
}

fn new_line(level: Option<usize>, out: &mut String) {
    if let Some(level) = level {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', level));
    }
}

fn write_name(name: &str, level: Option<usize>, out: &mut String) {
    write_text(name, out);
    out.push_str(if level.is_some() { ": " } else { ":" });
}

/// A text as Go's JSON writes it, which also hides what HTML would act on.
fn write_text(text: &str, out: &mut String) {
    let quoted = Value::from(text).to_string();
    for character in quoted.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::{PodResourceClaim, PodSpec};

    #[test]
    fn a_value_has_all_fields_under_their_go_names() {
        let claim = PodResourceClaim { name: "a<b".to_owned(), ..PodResourceClaim::default() };
        assert_eq!(
            compact(&claim, "PodResourceClaim"),
            "{\"Name\":\"a\\u003cb\",\"ResourceClaimName\":null,\"ResourceClaimTemplateName\":null}"
        );
    }

    #[test]
    fn the_host_fields_are_in_the_security_context_and_every_type_is_known() {
        let spec = PodSpec { host_network: Some(true), ..PodSpec::default() };
        assert!(pretty(&spec, "PodSpec").contains("\n \"SecurityContext\": {\n  \"HostNetwork\": true,\n"));
        for field in TYPES.split_whitespace() {
            if let Some((_, type_name)) = field.split_once(['=', '*', '[']) {
                assert!(TYPES.contains(&format!("\n{type_name} ")), "{type_name} of {field}");
            }
        }
        assert_eq!(
            ["DNSPolicy", "OS", "HostIP", "SELinuxOptions", "Name"].map(json_name_of),
            ["dnsPolicy", "os", "hostIP", "seLinuxOptions", "name"]
        );
    }
}
