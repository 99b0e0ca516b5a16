/** The style of a statechart that stands by itself, in a document. */
export const statechartStyle = `
.statechart { font: 12px system-ui, sans-serif; --box: #fff; --line: #8a94a3; --text: #1c2430; --dim: #5b6675; --fill: #f5f7fa; --edge: #6b7686; --bad: #b3402e }
@media (prefers-color-scheme: dark) { .statechart { --box: #1b2129; --line: #566172; --text: #e6eaf0; --dim: #9aa5b4; --fill: #14191f; --edge: #8591a2; --bad: #f08b78 } }
.state rect { fill: var(--box); stroke: var(--line) }
.state.group rect { fill: var(--fill); fill-opacity: .6 }
.state.final rect { stroke-width: 3 }
.name { fill: var(--text); font-weight: 600 }
.leaf .name, .effect, .label { text-anchor: middle }
.effect, .label { fill: var(--dim); font-size: 10px }
.own .label { text-anchor: start }
.start { fill: var(--text) }
.line { fill: none; stroke: var(--edge); stroke-width: 1.2 }
.head { fill: var(--edge) }
.edge.error .line, .edge.after .line { stroke: var(--bad); stroke-dasharray: 4 3 }
.edge.error .head, .edge.after .head { fill: var(--bad) }
`
