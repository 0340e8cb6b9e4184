/**
 * Plays channels by the server's animation. A frame is told to have been seen only when it is on the screen, and the server does not run ahead of that by more than a few:
 * a slow connection or a slow machine shows fewer frames, never older ones.
 */
import type { Image, TileSet } from "cubelink";
import { FULL_QUALITY } from "./link-meter";
import { Signal } from "./signal";
import type { TileLoader } from "./tile-loader";

export const PLAY_MODES = ["loop", "bounce", "once"] as const;
export const MOST_FRAMES_PER_SECOND = 60;

export interface Playback {
  first: number;
  last: number;
  /** Frames a second. */
  rate: number;
  mode: (typeof PLAY_MODES)[number];
}

export class Player {
  readonly playing = new Signal(false);
  /** As the server numbers it; its tiles bear it. */
  private animation = 0;
  private what: Playback | null = null;
  /** What is to be done when the server has stopped. */
  private stopping: { then: () => void } | null = null;
  /** Calls to start and to stop, one after the other. */
  private calls: Promise<unknown> = Promise.resolve();
  private readonly stopListening: (() => void)[];

  constructor(
    private readonly image: Image,
    private readonly loader: TileLoader,
    private readonly onError: (error: unknown) => void,
  ) {
    this.stopListening = [
      image.client.tiles().listen({ complete: (set) => this.arrived(set) }),
      image.client.onState(({ state }) => {
        // The animation was the connection's.
        if (state !== "connected") this.ended();
      }),
    ];
  }

  /** From the channel on show, if it is in the range; with other settings while it plays, it goes on with those. */
  play(what: Playback): void {
    const { stokes } = this.loader.wanted.value;
    const frame = (channel: number) => ({ channel, stokes });
    const now = this.loader.shown.value.channel;
    const inside = now >= what.first && now <= what.last && !(what.mode === "once" && now === what.last);
    this.what = what;
    this.playing.set(true);
    this.loader.playing = true;
    this.inTurn(async () => {
      if (this.what !== what) return;
      const { animation_id } = await this.image.client.carta.startAnimation({
        file_id: this.image.fileId,
        first_frame: frame(what.first),
        last_frame: frame(what.last),
        start_frame: frame(inside ? now : what.first),
        delta_frame: { channel: 1, stokes: 0 },
        frame_rate: what.rate,
        looping: what.mode !== "once",
        reverse: what.mode === "bounce",
        required_tiles: { file_id: this.image.fileId, tiles: this.loader.needed, compression_type: "ZFP", compression_quality: FULL_QUALITY },
        stokes_indices: [],
        matched_frames: {},
      });
      this.animation = animation_id;
    });
  }

  /** The channel on show stays, unless `then` chooses another. */
  stop(then = () => this.loader.setPlane(this.loader.shown.value)): void {
    if (this.stopping) {
      this.stopping.then = then;
      return;
    }
    if (!this.playing.value) return then();
    const stopping = (this.stopping = { then });
    this.ended();
    // Until it has answered, the server chooses the planes, and frames and news of them are under way: the picture stays as it is.
    this.loader.playing = true;
    this.inTurn(async () => {
      const { channel, stokes } = this.loader.shown.value;
      try {
        await this.image.client.carta.stopAnimation({ file_id: this.image.fileId, end_frame: { channel, stokes } });
      } finally {
        // Unless the image has been closed.
        if (this.stopping === stopping) {
          this.stopping = null;
          this.loader.playing = this.playing.value;
          if (!this.playing.value) {
            stopping.then();
            this.loader.need(this.loader.needed);
          }
        }
      }
    });
  }

  close(): void {
    if (this.playing.value) this.image.client.carta.stopAnimation({ file_id: this.image.fileId }).catch(() => undefined);
    this.ended();
    this.stopping = null;
    this.stopListening.forEach((stop) => stop());
  }

  private ended(): void {
    this.what = null;
    this.loader.playing = false;
    if (this.playing.value) this.playing.set(false);
  }

  private inTurn(call: () => Promise<void>): void {
    this.calls = this.calls.then(call).catch((error: unknown) => {
      this.ended();
      this.onError(error);
    });
  }

  private arrived({ fileId, animationId, channel, stokes }: TileSet): void {
    const { what } = this;
    if (!what || fileId !== this.image.fileId || animationId === 0 || animationId < this.animation) return;
    this.loader.showFrame({ channel, stokes });
    // The picture is drawn in the next frame of the screen; a page that is not seen draws none, and the animation waits.
    requestAnimationFrame(() => {
      if (this.what !== what) return;
      const seen = { file_id: fileId, animation_id: animationId, received_frame: { channel, stokes }, timestamp: Date.now() };
      this.image.client.carta.animationFlowControl(seen).catch(() => undefined);
      if (what.mode === "once" && channel === what.last) this.stop();
    });
  }
}
