/**
 * A field for a value that also others change: what is being typed is not overwritten, and what can't be taken stays to be seen, marked, until the value is another
 * one. Escape brings the value back.
 */
export class TypedField<T extends HTMLInputElement | HTMLTextAreaElement = HTMLInputElement> {
  private typing = false;
  /** The value when the text in the field was refused. */
  private refusedFor: string | null = null;

  constructor(
    readonly element: T,
    /** The value as text. */
    private readonly value: () => string,
    /** Makes the text the value; false: it is none. */
    private readonly take: (text: string) => boolean,
  ) {
    element.addEventListener("input", () => (this.typing = true));
    element.addEventListener("blur", () => {
      this.typing = false;
      this.show();
    });
    element.addEventListener("change", () => this.taken());
    (element as HTMLElement).addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || (!this.typing && this.refusedFor === null)) return;
      event.preventDefault();
      event.stopPropagation();
      this.reset();
    });
  }

  /** The value may be another one. */
  show(): void {
    const text = this.value();
    if (this.typing || text === this.refusedFor) return;
    this.refusedFor = null;
    this.element.removeAttribute("aria-invalid");
    if (this.element.value !== text) this.element.value = text;
  }

  /** Whatever was typed is given up. */
  reset(): void {
    this.typing = false;
    this.refusedFor = null;
    this.show();
  }

  private taken(): void {
    this.typing = false;
    const before = this.value();
    const good = this.take(this.element.value.trim().replaceAll("−", "-"));
    this.refusedFor = good ? null : before;
    this.element.setAttribute("aria-invalid", String(!good));
    this.show();
  }
}
