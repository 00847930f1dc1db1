import assert from "node:assert/strict";
import { test } from "node:test";
import { execProcess } from "../../../core/container/oci/exec_process.ts";
import { ociConfig } from "../../../core/container/oci_config.ts";
import { CAPABILITIES } from "../../../core/container/capabilities.ts";
import { sampleInput } from "./sample.ts";

const USER = { uid: 5, gid: 6, groups: [6], home: "/h" };

test("an exec session takes its container's process and changes what was asked", () => {
  const sample = sampleInput({ request: { umask: 0o77, environment: ["A=1", "B=2"] } });
  const container = ociConfig(sample).spec.process;
  const made = execProcess({
    container,
    request: sample.resolved.request,
    user: USER,
    args: ["id"],
    environment: ["B=3"],
    workdir: "/w",
    terminal: true,
    privileged: false,
    hostCapabilities: CAPABILITIES,
  });
  assert.deepEqual(made.user, { uid: 5, gid: 6, umask: 0o77, additionalGids: [6] });
  assert.deepEqual([made.args, made.cwd, made.terminal], [["id"], "/w", true]);
  assert.ok(made.env.includes("A=1") && made.env.includes("B=3") && made.env.includes("HOME=/h"));
  assert.deepEqual(made.rlimits, container.rlimits);
  assert.deepEqual(made.capabilities?.effective, []);
});
