{{/* A component's full name: the release's, with the component's. */}}
{{- define "catalyst.name" -}}
{{- $release := .release | trunc 40 | trimSuffix "-" -}}
{{- if contains "catalyst" $release }}{{ $release }}{{ else }}{{ $release }}-catalyst{{ end }}-{{ .component }}
{{- end }}

{{/* The labels by which a component's pods are found; they never change. */}}
{{- define "catalyst.selector" -}}
app.kubernetes.io/name: catalyst
app.kubernetes.io/instance: {{ .release }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "catalyst.labels" -}}
{{ include "catalyst.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* The image that a preview of Catalyst has built, else the one that is named. */}}
{{- define "catalyst.image" -}}
{{- $built := dig "images" "catalyst" dict (.Values.global | default dict) -}}
{{ $built.repository | default .Values.image.repository }}:{{ $built.tag | default .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What every pod of Catalyst's has: Pod Security's "restricted", and room for temporary files. */}}
{{- define "catalyst.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "catalyst.container" -}}
image: {{ include "catalyst.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Whether the web side answers. */}}
{{- define "catalyst.webProbes" -}}
startupProbe:
  httpGet: {path: /api/health/readiness, port: http}
  periodSeconds: 1
  failureThreshold: 120
readinessProbe:
  httpGet: {path: /api/health/readiness, port: http}
  periodSeconds: 5
  timeoutSeconds: 3
livenessProbe:
  httpGet: {path: /api/health/liveness, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
{{- end }}

{{/* The settings of both halves. */}}
{{- define "catalyst.environment" -}}
- {name: CATALYST_CLUSTER, value: kubernetes}
- {name: CATALYST_LOG_FORMAT, value: {{ .Values.log.format }}}
- {name: RUST_LOG, value: {{ .Values.log.filter | quote }}}
- {name: CATALYST_WEB_URL, value: {{ required "url is needed: the dashboard's address" .Values.url | quote }}}
- {name: CATALYST_METRICS_LISTEN, value: "0.0.0.0:9090"}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
{{- if .Values.trustedCertificates.configMap }}
- {name: SSL_CERT_FILE, value: /etc/catalyst/trusted/ca.crt}
{{- end }}
{{- end }}

{{- define "catalyst.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.trustedCertificates.configMap }}
- {name: trusted, mountPath: /etc/catalyst/trusted, readOnly: true}
{{- end }}
{{- end }}

{{- define "catalyst.volumes" -}}
- {name: tmp, emptyDir: {}}
{{- with .Values.trustedCertificates.configMap }}
- {name: trusted, configMap: {name: {{ . | quote }}}}
{{- end }}
{{- end }}

{{/* Where pods are put: as the values say, else apart from each other where that is possible. */}}
{{- define "catalyst.placement" -}}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .values.affinity }}
affinity: {{- toYaml .values.affinity | nindent 2 }}
{{- else }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "catalyst.selector" . | nindent 8 }}
{{- end }}
{{- end }}

{{- define "catalyst.usesPostgres" -}}
{{- if or .Values.database.url .Values.database.existingSecret }}yes{{ end }}
{{- end }}

{{- define "catalyst.githubSecret" -}}
{{ .Values.github.existingSecret | default (include "catalyst.name" (dict "release" .Release.Name "component" "github")) }}
{{- end }}

{{- define "catalyst.databaseSecret" -}}
{{ .Values.database.existingSecret | default (include "catalyst.name" (dict "release" .Release.Name "component" "database")) }}
{{- end }}

{{/* Whether the chart runs a buildkitd of its own. */}}
{{- define "catalyst.runsBuildkit" -}}
{{- if and .Values.builds.registry (eq .Values.builds.engine "buildkit") (not .Values.builds.buildkit.address) }}yes{{ end }}
{{- end }}

{{- define "catalyst.buildsNamespace" -}}
{{ .Release.Namespace | trunc 56 | trimSuffix "-" }}-builds
{{- end }}

{{- define "catalyst.buildkitAddress" -}}
{{- $own := printf "tcp://%s.%s.svc:1234" (include "catalyst.name" (dict "release" .Release.Name "component" "buildkitd")) (include "catalyst.buildsNamespace" .) }}
{{- .Values.builds.buildkit.address | default $own }}
{{- end }}

{{/* The Secret by which a buildkitd knows its clients, if it does. */}}
{{- define "catalyst.buildkitIdentity" -}}
{{- if include "catalyst.runsBuildkit" . }}{{ include "catalyst.name" (dict "release" .Release.Name "component" "buildkit-client") }}
{{- else if and .Values.builds.registry (eq .Values.builds.engine "buildkit") }}{{ .Values.builds.buildkit.existingSecret }}{{ end }}
{{- end }}
