{{- define "tenure.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "tenure.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- $name := include "tenure.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* What never changes in the life of a release: claims and selectors cannot. */}}
{{- define "tenure.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tenure.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tenure.labels" -}}
{{- $labels := merge (include "tenure.selectorLabels" . | fromYaml) (dict
      "app.kubernetes.io/version" .Chart.AppVersion
      "app.kubernetes.io/component" "exporter"
      "app.kubernetes.io/part-of" "tenure"
      "app.kubernetes.io/managed-by" .Release.Service
      "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_")) .Values.commonLabels }}
{{- toYaml $labels }}
{{- end }}

{{/* Name, labels and annotations: (dict "root" . "suffix" "-headless" "labels" {} "annotations" {}) */}}
{{- define "tenure.metadata" -}}
{{- $root := .root -}}
name: {{ include "tenure.fullname" $root }}{{ .suffix }}
labels:
  {{- merge (include "tenure.labels" $root | fromYaml) (default dict .labels) | toYaml | nindent 2 }}
{{- with merge (dict) (default dict .annotations) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "tenure.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "tenure.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "tenure.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "tenure.stateUrl" -}}
{{- if eq .Values.state.kind "volume" -}}
/var/lib/tenure/state
{{- else if eq .Values.state.kind "remote" -}}
{{- if not .Values.config.customer_digest_key_file }}
{{- fail "state.kind remote needs config.customer_digest_key_file: checkpoints in a bucket must not be made with the key that everybody knows" }}
{{- end }}
{{- required "state.kind remote needs state.url" .Values.state.url }}
{{- else -}}
null
{{- end }}
{{- end }}

{{/* A probe: (dict "root" . "path" "/-/healthy" "timing" {...}) */}}
{{- define "tenure.probe" -}}
{{- if eq .root.Values.probes.kind "tcp" }}
tcpSocket:
  port: http
{{- else }}
httpGet:
  path: {{ .path }}
  port: http
  {{- if ne .root.Values.probes.scheme "HTTP" }}
  scheme: {{ .root.Values.probes.scheme }}
  {{- end }}
  {{- with .root.Values.probes.httpHeaders }}
  httpHeaders:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{ toYaml .timing }}
{{- end }}

{{- define "tenure.ownership" -}}
{{- dig "cluster" "ownership" "group" .Values.config -}}
{{- end }}

{{/* "true" if pods share the partitions and tell each other their parts of the report. */}}
{{- define "tenure.shared" -}}
{{- $topic := dig "cluster" "report_topic" "" .Values.config }}
{{- $all := eq (include "tenure.ownership" .) "all" }}
{{- if and (gt (int .Values.replicas) 1) (not $topic) (not $all) }}
{{- fail "several replicas share the partitions: set config.cluster.report_topic, so that each of them serves all numbers, or config.cluster.ownership: all, so that each reads everything" }}
{{- end }}
{{- if and $topic (not .Values.config.customer_digest_key_file) }}
{{- fail "config.cluster.report_topic needs config.customer_digest_key_file: what pods tell each other must not be made with the key that everybody knows" }}
{{- end }}
{{- if and $topic (not $all) -}}
true
{{- end }}
{{- end }}
