/** Conformance cases: what a command that cannot be started is called. */
import { match, strictEqual as equal } from "node:assert/strict";
import type { ErrorCode } from "../../../core/errors.ts";
import { writeAtomic } from "../../../core/sys/files.ts";
import type { Case, Fixture } from "../conformance.ts";
import { expectCode } from "./expect_code.ts";

const MISSING = /OCI runtime attempted to invoke a command that was not found$/;
const DENIED = /OCI permission denied$/;
const FOREVER = ["/bin/sh", "-c", "while :; do sleep 1000; done"];

interface Refusal {
  readonly what: string;
  readonly command: readonly string[];
  readonly workdir?: string;
  readonly code: ErrorCode;
  readonly status: number;
  readonly says: RegExp;
}

const missing = { code: "notcommand", status: 127, says: MISSING } as const;
const denied = { code: "notexecutable", status: 126, says: DENIED } as const;

const REFUSALS: readonly Refusal[] = [
  { what: "a name that is not in the search path is 127", command: ["no-such"], ...missing },
  { what: "a path that does not exist is 127", command: ["/no/such/file"], ...missing },
  { what: "a file without execute permission is 126", command: ["/out/plain"], ...denied },
  { what: "a directory is 126", command: ["/usr"], ...denied },
];

export const EXPLAIN_CASES: readonly Case[] = [
  ...REFUSALS.map((refusal): Case => ({
    name: `create: ${refusal.what}`,
    run(fixture) {
      const { newId, create, bundle, driver } = fixture;
      preparePlainFile(fixture);
      const id = newId();
      const dir = bundle(id, { command: refusal.command });
      const error = expectCode(refusal.code, () => create(id, dir));
      equal(error.exitStatus, refusal.status);
      match(error.message, refusal.says);
      match(error.message, new RegExp(`^cannot create container "${id}": ${driver.name}: `));
      equal(driver.state(id).state, "gone");
    },
  })),
  {
    name: "exec: the same commands are called the same, and the container goes on",
    run(fixture) {
      const { create, bundle, newId, driver, exec } = fixture;
      preparePlainFile(fixture);
      const id = newId();
      create(id, bundle(id, { command: FOREVER }));
      driver.start(id);
      for (const { command, code, status, says } of REFUSALS) {
        const error = expectCode(code, () => exec(id, command));
        equal(error.exitStatus, status);
        match(error.message, says);
      }
      equal(driver.state(id).state, "running");
    },
  },
  {
    name: "exec: a working directory that is not there is named, with status 127",
    run({ create, bundle, newId, driver, exec }) {
      const id = newId();
      create(id, bundle(id, { command: FOREVER }));
      driver.start(id);
      const error = expectCode("failed", () => exec(id, ["/bin/sh"], "/no/such/dir"));
      equal(error.exitStatus, 127);
      match(error.message, /\/no\/such\/dir/);
    },
  },
  {
    name: "words of the runtime come as one line, without its log's dressing",
    run({ driver }) {
      const json = '{"msg":"something broke","level":"error","time":"2026-01-01T00:00:00Z"}';
      const text = 'time="2026-01-01T00:00:00Z" level=error msg="something \\"broke\\""';
      match(driver.explain(json, "cannot x").message, /^cannot x: \w+: something broke: OCI/);
      match(driver.explain(text, "cannot x").message, /something "broke": OCI/);
      match(driver.explain("", "cannot x").message, /ended without a word/);
    },
  },
];

function preparePlainFile({ out }: Fixture): void {
  writeAtomic(`${out}/plain`, "echo no\n", { mode: 0o644 });
}
