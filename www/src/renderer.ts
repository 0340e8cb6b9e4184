/** Draws tiles with WebGL2: float textures, limits, stretch and colour map in the shader. Coarse tiles lie under finer ones. */
import { finestLayer, tileBounds } from "cubelink";
import { colormap } from "./colormaps";
import { ASINH_SOFTENING, LOG_ALPHA, STRETCHES, type Limits, type Stretch } from "./stretch";
import { PREVIEW_LAYER, type CachedTile } from "./tile-cache";
import type { View } from "./view";

const BLANK = -3.4028234663852886e38;

/** Screen pixels: an image of a few rows that are far less than a pixel each would not be seen. */
const THINNEST = 3;

const VERTEX = `#version 300 es
uniform vec4 box;   // left, bottom, right, top in clip coordinates
uniform vec2 texels; // how much of the texture the box shows
out vec2 at;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  gl_Position = vec4(mix(box.xy, box.zw, corner), 0.0, 1.0);
  at = corner * texels;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler2D;
uniform sampler2D pixels;
uniform sampler2D colours;
uniform vec2 limits;
uniform int stretch;
uniform vec2 shades; // contrast, bias
uniform vec4 blank;
in vec2 at;
out vec4 colour;
void main() {
  ivec2 size = textureSize(pixels, 0);
  float v = texelFetch(pixels, clamp(ivec2(floor(at)), ivec2(0), size - 1), 0).r;
  if (v <= ${BLANK.toExponential()}) { colour = blank; return; }
  float t = limits.y > limits.x ? clamp((v - limits.x) / (limits.y - limits.x), 0.0, 1.0) : (v == limits.x ? 0.5 : v > limits.x ? 1.0 : 0.0);
  if (stretch == 1) t = log(1.0 + ${LOG_ALPHA.toFixed(1)} * t) / log(1.0 + ${LOG_ALPHA.toFixed(1)});
  else if (stretch == 2) t = sqrt(t);
  else if (stretch == 3) t = asinh(t / ${ASINH_SOFTENING.toFixed(4)}) / asinh(1.0 / ${ASINH_SOFTENING.toFixed(4)});
  t = clamp((t - shades.y) * shades.x + 0.5, 0.0, 1.0);
  colour = texelFetch(colours, ivec2(int(t * 255.0 + 0.5), 0), 0);
}`;

export interface Look {
  colormap: string;
  inverted: boolean;
  stretch: Stretch;
  limits: Limits;
  contrast: number;
  bias: number;
}

export class Renderer {
  private gl: WebGL2RenderingContext;
  private uniforms!: Record<"box" | "texels" | "pixels" | "colours" | "limits" | "stretch" | "shades" | "blank", WebGLUniformLocation | null>;
  private colours: WebGLTexture | null = null;
  private coloursOf = "";

  /** `onRestored`: the browser took the context away and gave it back; all textures are gone. Throws where there is no WebGL2. */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    onRestored: () => void,
  ) {
    const gl = canvas.getContext("webgl2", { antialias: false, alpha: true, premultipliedAlpha: true });
    if (!gl) throw new Error("This browser has no WebGL2, which the viewer needs to draw images.");
    this.gl = gl;
    this.setUp();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.coloursOf = "";
      this.setUp();
      onRestored();
    });
  }

  resize(cssWidth: number, cssHeight: number, ratio: number): void {
    this.canvas.width = Math.max(1, Math.round(cssWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(cssHeight * ratio));
  }

  release(cached: CachedTile): void {
    if (cached.texture) this.gl.deleteTexture(cached.texture);
    cached.texture = null;
  }

  draw(view: View, tiles: CachedTile[], look: Look): void {
    const gl = this.gl;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    this.useColours(look);
    gl.uniform2f(this.uniforms.limits, look.limits.low, look.limits.high);
    gl.uniform1i(this.uniforms.stretch, STRETCHES.indexOf(look.stretch));
    gl.uniform2f(this.uniforms.shades, look.contrast, look.bias);
    gl.uniform4f(this.uniforms.blank, 0.13, 0.15, 0.18, 1);
    gl.activeTexture(gl.TEXTURE0);
    const finest = finestLayer(view.imageWidth, view.imageHeight);
    const ratio = this.canvas.width / view.width;
    const thicken = (size: number) => Math.max(1, THINNEST / (size * view.scale * ratio));
    const [wider, higher] = [thicken(view.imageWidth), thicken(view.imageHeight)];
    const [middleX, middleY] = [(view.imageWidth - 1) / 2, (view.imageHeight - 1) / 2];
    const clip = (x: number, y: number): [number, number] => [
      ((middleX + (x - middleX) * wider - view.centreX) * view.scale * 2) / view.width,
      ((middleY + (y - middleY) * higher - view.centreY) * view.scale * 2) / view.height,
    ];
    for (const cached of tiles.sort((a, b) => a.tile.layer - b.tile.layer)) {
      const { layer, x, y, width, height } = cached.tile;
      if (layer > finest) continue;
      const whole = layer === PREVIEW_LAYER;
      const { x0, y0, x1, y1, mip } = tileBounds(Math.max(0, layer), x, y, view.imageWidth, view.imageHeight);
      const [left, bottom] = clip(x0 - 0.5, y0 - 0.5);
      const [right, top] = clip(x1 - 0.5, y1 - 0.5);
      if (right < -1 || left > 1 || top < -1 || bottom > 1) continue;
      gl.bindTexture(gl.TEXTURE_2D, (cached.texture ??= this.upload(cached.tile.pixels, width, height)));
      gl.uniform4f(this.uniforms.box, left, bottom, right, top);
      // The last pixel of an edge tile can stand for fewer image pixels than the others.
      gl.uniform2f(this.uniforms.texels, whole ? width : (x1 - x0) / mip, whole ? height : (y1 - y0) / mip);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    }
  }

  private setUp(): void {
    const gl = this.gl;
    const program = gl.createProgram()!;
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
      const shader = gl.createShader(type)!;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
        throw new Error(`The shader does not compile: ${gl.getShaderInfoLog(shader)}`);
      }
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    const names = ["box", "texels", "pixels", "colours", "limits", "stretch", "shades", "blank"] as const;
    this.uniforms = Object.fromEntries(names.map((n) => [n, gl.getUniformLocation(program, n)])) as typeof this.uniforms;
    gl.uniform1i(this.uniforms.pixels, 0);
    gl.uniform1i(this.uniforms.colours, 1);
    gl.bindVertexArray(gl.createVertexArray());
    this.colours = gl.createTexture();
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.colours);
    this.nearest();
    this.warmUp();
  }

  /** Drivers translate the shader when it first draws, which can take long: better before there is an image than when it has come. */
  private warmUp(): void {
    const gl = this.gl;
    gl.activeTexture(gl.TEXTURE0);
    const texture = this.upload(new Float32Array(1), 1, 1);
    gl.uniform4f(this.uniforms.box, -1, -1, 1, 1);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    gl.deleteTexture(texture);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
  }

  private useColours(look: Look): void {
    const name = `${look.colormap}/${look.inverted}`;
    if (name === this.coloursOf) return;
    this.coloursOf = name;
    const data = new Uint8Array(256 * 4);
    colormap(look.colormap, look.inverted).forEach((rgb, i) => data.set([...rgb, 255], 4 * i));
    const gl = this.gl;
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.colours);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, data);
  }

  private upload(pixels: Float32Array, width: number, height: number): WebGLTexture {
    const gl = this.gl;
    const texture = gl.createTexture()!;
    gl.bindTexture(gl.TEXTURE_2D, texture);
    this.nearest();
    // Not all drivers keep NaN: blanks go as a number that is none of theirs.
    const data = pixels.map((v) => (Number.isNaN(v) ? BLANK : v));
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, width, height, 0, gl.RED, gl.FLOAT, data);
    return texture;
  }

  private nearest(): void {
    const gl = this.gl;
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
    for (const wrap of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, wrap, gl.CLAMP_TO_EDGE);
  }
}
