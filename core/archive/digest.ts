/**
 * SHA-256 of bytes that pass by. Loads node:crypto (3 ms): not for the path of quick commands.
 */
import { createHash, type Hash } from "node:crypto";
import type { ByteSink, Digest } from "../terms.ts";

/** Hashes and counts what is written to it. */
export class Sha256Sink implements ByteSink {
  readonly #hash: Hash = createHash("sha256");
  #size = 0;

  write(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size;
  }

  /** Ends the sink; call once. */
  digest(): Digest {
    return `sha256:${this.#hash.digest("hex")}` as Digest;
  }
}

export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}` as Digest;
}

/** Sends the same bytes to several sinks, in the order given. */
export function tee(...sinks: readonly ByteSink[]): ByteSink {
  return {
    write(bytes) {
      for (const sink of sinks) sink.write(bytes);
    },
  };
}
