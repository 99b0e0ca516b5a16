/** `oci-supervisor/metrics`: Prometheus metrics through prom-client, which the embedder installs. */
export { collectMetrics, type Measurable, type MetricsOptions } from './observe/metrics/metrics.ts'
