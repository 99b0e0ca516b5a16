/** One container: what it does now and why, what happened, what it uses, what it writes. */
import { Bar, LinkNotice } from './bar.tsx'
import type { Detail } from './detail.ts'
import { Facts } from './facts.tsx'
import { age, dateTime } from './format.ts'
import { History } from './history.tsx'
import { LogTail } from './log-tail.tsx'
import { PhaseMark } from './phase-mark.tsx'
import { Resources } from './resources.tsx'
import { Statechart } from './statechart.tsx'
import { useStore } from './store.ts'
import type { ComponentChildren } from 'preact'
import type { LiveState } from '../protocol.ts'

export function ContainerView({ detail, back }: { readonly detail: Detail; readonly back: string }) {
  useStore(detail)
  const { facts, state } = detail
  const last = detail.records.findLast(({ kind }) => kind === 'transition')
  return (
    <div class="container">
      <Bar link={detail.isGone ? 'open' : detail.link}>
        <a class="back" href={back}>
          Containers
        </a>
        <h1>{detail.id}</h1>
        {facts && facts.name !== facts.id && <span class="quiet">{facts.name}</span>}
        {facts && <span class="handler-mark">{facts.handler}</span>}
      </Bar>
      {detail.isGone ? (
        <p class="notice">
          {facts === undefined
            ? 'There is no container of this id.'
            : 'The container was deleted. This is how it was.'}
        </p>
      ) : (
        <LinkNotice link={detail.link} />
      )}
      {state && (
        <main class="panels">
          <Now state={state} nowMs={detail.nowMs()} isGone={detail.isGone} />
          <Statechart chart={detail.statechart} active={state.active} taken={last?.edges ?? []} />
          <History records={detail.records} state={state} />
          <Resources detail={detail} />
          <LogTail detail={detail} />
          {facts && <Facts facts={facts} />}
        </main>
      )}
    </div>
  )
}

function Now({
  state,
  nowMs,
  isGone,
}: {
  readonly state: LiveState
  readonly nowMs: number
  readonly isGone: boolean
}) {
  const { exit, error, stop } = state
  return (
    <section class="now" aria-label="state">
      <div class="now-head">
        <PhaseMark phase={state.phase} />
        <span class="since">{isGone ? '' : `for ${age(Math.max(0, nowMs - state.sinceMs))}`}</span>
      </div>
      {state.waitingFor !== undefined && (
        <p class="waits">
          Waits for <b>{state.waitingFor}</b>
          {state.attempts > 1 && `, attempt ${state.attempts}`}
        </p>
      )}
      {exit && (
        <p class={`exit ${exit.code === 0 ? '' : 'bad'}`}>
          {exit.unknown === undefined ? (
            <>
              Exit code <b>{exit.code}</b>
              {exit.signal !== undefined && `, which usually stands for ${exit.signal}`}
            </>
          ) : (
            <>
              Exit <b>unknown</b>: {exit.unknown}
            </>
          )}
          {exit.oomKilled && <em>ended by the kernel for lack of memory</em>}
        </p>
      )}
      {error && (
        <p class="error">
          <code>{error.code}</code> {error.message}
        </p>
      )}
      {state.monitorLostAt !== undefined && (
        <p class="error">Its monitor died at {dateTime(state.monitorLostAt)}.</p>
      )}
      {!state.durable && <p class="error">This state is not on disk yet; the write is retried.</p>}
      <dl>
        <Fact name="status">{state.status ?? '–'}</Fact>
        <Fact name="pid">{state.pid === 0 ? '–' : state.pid}</Fact>
        <Fact name="created">{dateTime(state.created)}</Fact>
        <Fact name="started">{dateTime(state.started)}</Fact>
        {state.finished !== undefined && <Fact name="finished">{dateTime(state.finished)}</Fact>}
        {stop && (
          <Fact name="stop asked">
            {dateTime(stop.requestedAt)},{' '}
            {stop.timeoutMs === null ? 'no limit' : `grace ${stop.timeoutMs / 1000} s`}
          </Fact>
        )}
        <Fact name="under way">{state.underWay.join(', ') || '–'}</Fact>
        {state.execs > 0 && <Fact name="execs">{state.execs}</Fact>}
        <Fact name="waiting">{state.queued.join(', ') || '–'}</Fact>
      </dl>
    </section>
  )
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}
