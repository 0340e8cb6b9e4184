/** A value that others can watch. Listeners are called at once when it is set, in the order in which they came. */
export class Signal<T> {
  private readonly listeners = new Set<(value: T) => void>();

  constructor(private current: T) {}

  get value(): T {
    return this.current;
  }

  set(value: T): void {
    this.current = value;
    this.poke();
  }

  /** Tells the listeners again, after something inside the value has changed. */
  poke(): void {
    for (const listener of [...this.listeners]) listener(this.current);
  }

  /** Calls `listener` now and at each change; returns what stops it. */
  watch(listener: (value: T) => void): () => void {
    this.listeners.add(listener);
    listener(this.current);
    return () => void this.listeners.delete(listener);
  }
}
