/** The other side of a monitor's attach socket, as far as the cases need it. */
import { isErrno } from "../../../core/errors.ts";
import { close, read, write } from "../../../core/sys/at.ts";
import { pollOne } from "../../../core/sys/pipe.ts";
import { connectUnix, shutdownWrite } from "../../../core/sys/socket.ts";

export interface AttachClient {
  send(text: string): void;
  /** Half-close: nothing more will be sent. */
  end(): void;
  /** Reads until stdout and stderr together match, or the end; gives what came since the start. */
  readUntil(wanted: RegExp): { stdout: string; stderr: string };
  /** Reads to the end. */
  readAll(): { stdout: string; stderr: string };
  close(): void;
}

const PATIENCE_MS = 4_000;

export function attachClient(dir: string): AttachClient {
  const fd = connectUnix(`${dir}/attach`, "seqpacket");
  const packet = new Uint8Array(new ArrayBuffer(32768));
  const got = { stdout: "", stderr: "" };

  /** False at the end. */
  function readPacket(): boolean {
    if (!pollOne(fd, "in", PATIENCE_MS)) {
      throw new Error(`nothing more came after ${JSON.stringify(got).slice(-500)}`);
    }
    let count: number;
    try {
      count = read(fd, packet);
    } catch (error) {
      if (isErrno(error, "ECONNRESET")) return true;
      throw error;
    }
    if (count === 0) return false;
    const text = Buffer.from(packet.subarray(1, count)).toString("latin1");
    if (packet[0] === 2) got.stdout += text;
    else if (packet[0] === 3) got.stderr += text;
    else throw new Error(`a packet for stream ${packet[0]}`);
    return true;
  }

  return {
    send: (text) => write(fd, Buffer.from(text)),
    end: () => shutdownWrite(fd),
    readUntil(wanted) {
      while (!wanted.test(got.stdout + got.stderr) && readPacket());
      return { ...got };
    },
    readAll() {
      while (readPacket());
      return { ...got };
    },
    close: () => close(fd),
  };
}
