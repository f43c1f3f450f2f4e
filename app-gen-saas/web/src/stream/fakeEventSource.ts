/** The browser's EventSource for tests of the stream: connections are opened, fed and broken by hand. */
export class FakeEventSource extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSED = 2;
  static opened: FakeEventSource[] = [];

  static get latest(): FakeEventSource {
    const latest = FakeEventSource.opened.at(-1);
    if (!latest) throw new Error("no event source was opened");
    return latest;
  }

  readonly url: string;
  readyState = FakeEventSource.CONNECTING;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  onmessage: ((message: MessageEvent<string>) => void) | null = null;

  constructor(url: string) {
    super();
    this.url = url;
    FakeEventSource.opened.push(this);
  }

  open(): void {
    this.readyState = FakeEventSource.OPEN;
    this.onopen?.();
  }

  send(sequence: number, type: string, body: unknown): void {
    const data = JSON.stringify({ job_id: "job", sequence, time: "2026-11-21T12:00:00.000Z", type, body });
    this.dispatchEvent(new MessageEvent(type, { data }));
  }

  /** `closed`: the server answered with an error and the browser gives up; else it retries by itself. */
  drop(closed: boolean): void {
    this.readyState = closed ? FakeEventSource.CLOSED : FakeEventSource.CONNECTING;
    this.onerror?.();
  }

  close(): void {
    this.readyState = FakeEventSource.CLOSED;
  }
}
