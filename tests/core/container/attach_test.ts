import { test } from "node:test";
import assert from "node:assert/strict";
import { attach, type AttachOptions, connectAttach } from "../../../core/container/attach.ts";
import { close, O, read, write } from "../../../core/sys/at.ts";
import { exists, openText, readText, sizeOnDisk } from "../../../core/sys/files.ts";
import { pipe } from "../../../core/sys/pipe.ts";
import { runOk, spawnChild, waitChild } from "../../../core/sys/spawn.ts";
import { createContainer, type MonitoredContainer, skipContainers } from "./monitored_container.ts";

const skip = skipContainers();
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs a container to its end with its output in files; gives both. */
async function attached(
  container: MonitoredContainer,
  options: Partial<AttachOptions> = {},
): Promise<{ stdout: string; stderr: string; end: string }> {
  const files = ["stdout", "stderr"].map((name) => `${container.out}/${name}.txt`);
  const [stdout, stderr] = files.map((path) => openText(path, O.WRONLY | O.CREAT | O.TRUNC));
  const socket = connectAttach(`${container.spec.dir}/attach`);
  container.start();
  const end = await attach({
    socket,
    terminal: false,
    stdin: null,
    stdout: stdout!,
    stderr: stderr!,
    detachKeys: new Uint8Array(0),
    ...options,
  });
  close(stdout!);
  close(stderr!);
  return { stdout: readText(files[0]!), stderr: readText(files[1]!), end };
}

function inContainer(
  name: string,
  script: string,
  changes: Parameters<typeof createContainer>[1],
  body: (container: MonitoredContainer) => Promise<void>,
): void {
  test(name, { skip }, async () => {
    const container = createContainer(script, changes);
    try {
      await body(container);
    } finally {
      container.close();
    }
  });
}

inContainer("all output arrives, streams apart", "seq 1 50000; echo err >&2", {}, async (one) => {
  const { stdout, stderr, end } = await attached(one);
  assert.equal(end, "ended");
  assert.equal(stdout.split("\n").length, 50_001);
  assert.ok(stdout.endsWith("\n50000\n"));
  assert.equal(stderr, "err\n");
});

inContainer("a stream that is not attached is left out", "echo a; echo b >&2", {}, async (one) => {
  const { stdout, stderr } = await attached(one, { stdout: null });
  assert.deepEqual([stdout, stderr], ["", "b\n"]);
});

inContainer(
  "input goes in whole and its end is passed on, output after it still comes",
  "wc -c; sleep 0.05; echo late",
  { stdin: true },
  async (one) => {
    const input = pipe();
    const writer = spawnChild(["head", "-c", "3000000", "/dev/zero"], { stdout: input.write });
    close(input.write);
    const { stdout } = await attached(one, { stdin: input.read });
    close(input.read);
    waitChild(writer);
    assert.equal(stdout.trim().replace(/\s+/g, " "), "3000000 late");
  },
);

inContainer(
  "input that nobody reads does not hold up the output",
  "exec <&-; seq 1 5000",
  { stdin: true },
  async (one) => {
    const input = pipe();
    const writer = spawnChild(["head", "-c", "1000000", "/dev/zero"], { stdout: input.write });
    close(input.write);
    const { stdout } = await attached(one, { stdin: input.read });
    close(input.read);
    waitChild(writer);
    assert.ok(stdout.endsWith("\n5000\n"));
  },
);

inContainer("a slow reader gets everything", "seq 1 60000", {}, async (one) => {
  const output = pipe();
  const target = `${one.out}/slow.txt`;
  const reader = spawnChild(["sh", "-c", `sleep 0.4; exec cat > ${target}`], {
    stdin: output.read,
  });
  close(output.read);
  await attached(one, { stdout: output.write });
  close(output.write);
  waitChild(reader);
  assert.ok(readText(target).endsWith("\n59999\n60000\n"));
  assert.equal(readText(target).length, 348_894);
});

inContainer("a reader that goes away is an error, not a hang", "seq 1 60000", {}, async (one) => {
  const output = pipe();
  close(output.read);
  await assert.rejects(attached(one, { stdout: output.write }), /broken pipe/);
  close(output.write);
});

inContainer(
  "a signal is passed on at once while nothing else happens",
  "trap 'echo got; exit 0' TERM; touch /out/ready; while :; do sleep 0.02; done",
  {},
  async (one) => {
    const began: number[] = [];
    const send = async () => {
      while (!exists(`${one.out}/ready`)) await wait(5);
      began.push(performance.now());
      process.kill(process.pid, "SIGTERM");
    };
    const sending = send();
    const proxy = (signal: number) => {
      began.push(performance.now());
      one.runtime.kill(one.spec.id, signal);
    };
    const { stdout } = await attached(one, { proxy });
    await sending;
    assert.equal(stdout, "got\n");
    assert.ok(began[1]! - began[0]! < 1_000, `${began[1]! - began[0]!} ms`);
    assert.equal(process.listenerCount("SIGTERM"), 0);
  },
);

inContainer("two clients at once both get all", "seq 1 3000", {}, async (one) => {
  const outputs = ["a", "b"].map((name) =>
    openText(`${one.out}/${name}`, O.WRONLY | O.CREAT | O.TRUNC)
  );
  const clients = outputs.map((stdout) => {
    const socket = connectAttach(`${one.spec.dir}/attach`);
    const rest = { terminal: false, stdin: null, stderr: null, detachKeys: new Uint8Array(0) };
    return { socket, stdout, ...rest };
  });
  one.start();
  assert.deepEqual(await Promise.all(clients.map(attach)), ["ended", "ended"]);
  outputs.forEach(close);
  const [first, second] = ["a", "b"].map((name) => readText(`${one.out}/${name}`));
  assert.equal(first, second);
  assert.ok(first?.endsWith("\n3000\n"));
});

test("there is nothing to attach to without a monitor", { skip }, () => {
  assert.throws(() => connectAttach("/tmp/no-such-dir/attach"), /cannot connect to/);
});

/**
 * Attaches in a process of its own on a terminal of its own: script(1) gives it one of 24 by 80, and
 * what is typed goes through a pipe. After it ends the terminal's mode is shown.
 */
function onTerminal(one: MonitoredContainer, body: (terminal: Terminal) => void): string {
  one.start();
  const program = new URL("./attach_on_terminal.ts", import.meta.url).pathname;
  const attaching = `${runner(program)} ${one.spec.dir}`;
  const command = `tty; stty rows 24 cols 80; ${attaching}; echo left; stty -a`;
  const [typed, output] = [pipe(), pipe()];
  const child = spawnChild(["script", "-qec", command, "/dev/null"], {
    stdin: typed.read,
    stdout: output.write,
    stderr: output.write,
    env: { ...process.env as Record<string, string>, SHELL: "/bin/sh" },
  });
  close(typed.read);
  close(output.write);
  const terminal = new Terminal(output.read, typed.write);
  try {
    terminal.until(/raw mode of \d+\r\n/);
    body(terminal);
    terminal.until(/left\r\n/);
  } finally {
    close(typed.write);
    terminal.toEnd();
    waitChild(child);
    close(output.read);
  }
  return terminal.text.slice(terminal.text.indexOf("left\r\n"));
}

const isCooked = (mode: string) => /(?<!-)icanon/.test(mode) && /(?<!-)echo\b/.test(mode);
const onTty = { terminal: true, stdin: true };

inContainer(
  "a terminal is raw while attached and as before after the detach keys; the container goes on",
  "echo hello; cat",
  onTty,
  async (one) => {
    const mode = onTerminal(one, (terminal) => {
      terminal.type("typed\r");
      terminal.until(/typed\r\ntyped\r\n/);
      terminal.type("\x10\x11");
      terminal.until(/end=detached/);
    });
    assert.ok(isCooked(mode), mode);
    assert.equal(one.runtime.state(one.spec.id).state, "running");
    assert.ok(sizeOnDisk(one.spec.log.path) > 0);
    await wait(0);
  },
);

inContainer(
  "the size of the window is passed on, and again when it changes",
  "trap 'stty size' WINCH; while :; do sleep 0.02; done",
  onTty,
  async (one) => {
    onTerminal(one, (terminal) => {
      terminal.until(/24 80\r\n/);
      const [tty = ""] = /\/dev\/pts\/\d+/.exec(terminal.text) ?? [];
      for (const [rows, columns] of [[30, 90], [31, 91], [50, 132]]) {
        runOk(["stty", "-F", tty, "rows", `${rows}`, "cols", `${columns}`]);
      }
      terminal.until(/50 132\r\n/);
      terminal.type("\x10\x11");
    });
    await wait(0);
  },
);

inContainer(
  "a terminal is as before when the attached process is told to end",
  "echo hello; cat",
  onTty,
  async (one) => {
    const mode = onTerminal(one, (terminal) => {
      const [, pid] = /raw mode of (\d+)/.exec(terminal.text) ?? [];
      process.kill(Number(pid), "SIGTERM");
    });
    assert.ok(isCooked(mode), mode);
    assert.equal(one.runtime.state(one.spec.id).state, "running");
    await wait(0);
  },
);

/** The words that run a TypeScript file with what runs this one. */
function runner(program: string): string {
  const isDeno = "Deno" in globalThis;
  return [process.execPath, "run", ...isDeno ? ["-A", "--no-check"] : [], program].join(" ");
}

class Terminal {
  text = "";
  readonly #buffer = new Uint8Array(new ArrayBuffer(4096));
  readonly #fd: number;
  readonly #keys: number;
  constructor(fd: number, keys: number) {
    this.#fd = fd;
    this.#keys = keys;
  }

  type(keys: string): void {
    write(this.#keys, Buffer.from(keys));
  }

  until(wanted: RegExp): void {
    while (!wanted.test(this.text)) {
      if (!this.#more()) throw new Error(`ended without ${wanted}: ${JSON.stringify(this.text)}`);
    }
  }

  toEnd(): void {
    while (this.#more());
  }

  #more(): boolean {
    const count = read(this.#fd, this.#buffer);
    this.text += Buffer.from(this.#buffer.subarray(0, count)).toString("latin1");
    return count > 0;
  }
}
