/**
 * An observable whose subscribers cannot hurt anybody by throwing.
 *
 * RxJS 7 lets a stream live on when a subscriber's `next` throws, but rethrows the error from a timer: an uncaught
 * exception in the embedder's process. Here it goes to `onThrow`. Deliberately not covered: errors inside operators of a
 * `pipe`, which RxJS already turns into the error notification of that one pipe.
 */
import { Observable, Subscriber, type Observer, type Subscription } from 'rxjs'

class ContainedObservable<T> extends Observable<T> {
  readonly #onThrow: (error: unknown) => void

  constructor(source: Observable<T>, onThrow: (error: unknown) => void) {
    super((subscriber) => source.subscribe(subscriber))
    this.#onThrow = onThrow
  }

  override subscribe(observerOrNext?: Partial<Observer<T>> | ((value: T) => void) | null): Subscription {
    const observer = typeof observerOrNext === 'function' ? { next: observerOrNext } : observerOrNext
    // RxJS's own subscribers are links of a pipe: wrapping one would cut it from its unsubscription.
    if (observer instanceof Subscriber || typeof observer?.next !== 'function')
      return super.subscribe(observer ?? {})
    return super.subscribe({
      next: (value) => {
        try {
          observer.next?.(value)
        } catch (error) {
          this.#onThrow(error)
        }
      },
      error: (error: unknown) => {
        observer.error?.(error)
      },
      complete: () => {
        observer.complete?.()
      },
    })
  }
}

/** `source`, with whatever a subscriber's `next` throws handed to `onThrow`, which must not throw itself. */
export function containedObservable<T>(
  source: Observable<T>,
  onThrow: (error: unknown) => void,
): Observable<T> {
  return new ContainedObservable(source, onThrow)
}
