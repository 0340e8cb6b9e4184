/**
 * Sends the newest of a stream of wishes to somebody slower: one at a time, and when that is done, whatever has been wished last. Pointer moves and sliders make
 * more wishes than a distant server can follow.
 */
export class Pump<T> {
  /** All wishes are done. */
  onIdle: () => void = () => {};
  private next: { value: T } | null = null;
  private running = false;

  constructor(
    private readonly send: (value: T) => Promise<void>,
    private readonly onError: (error: unknown) => void,
  ) {}

  get busy(): boolean {
    return this.running;
  }

  push(value: T): void {
    this.next = { value };
    if (!this.running) void this.run();
  }

  clear(): void {
    this.next = null;
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.next) {
      const { value } = this.next;
      this.next = null;
      try {
        await this.send(value);
      } catch (error) {
        this.onError(error);
      }
    }
    this.running = false;
    this.onIdle();
  }
}

export const delay = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
