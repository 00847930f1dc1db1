/** A record book with containers in it, for tests that need no image and no runtime. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Engine, storePaths } from "../../../core/engine/engine.ts";
import { timestamp } from "../../../core/engine/container_state.ts";
import { type CreateRequest, defaultRequest } from "../../../core/container/request.ts";
import { resolveRequest } from "../../../core/container/resolve.ts";
import { CAPABILITIES } from "../../../core/container/capabilities.ts";
import {
  changeContainer,
  type ContainerChange,
  type ContainerRow,
  insertContainer,
} from "../../../core/state/containers.ts";
import { openDatabase } from "../../../core/state/database.ts";
import { makeDirs } from "../../../core/sys/files.ts";
import { bootId, signalNumber } from "../../../core/sys/process.ts";
import type { ContainerId, ImageId } from "../../../core/terms.ts";

export interface RowStore extends Disposable {
  readonly engine: Pick<Engine, "db" | "paths">;
  readonly folder: string;
  /** Adds a container; each is a second younger than the one before. */
  add(name: string, wish?: RowWish): ContainerRow;
}

export interface RowWish extends ContainerChange {
  readonly id?: string;
  readonly request?: Partial<CreateRequest>;
  /** Name and id of the image. */
  readonly image?: { readonly name: string; readonly id: string };
  /** Milliseconds since 1970. */
  readonly createdAt?: number;
}

export function newRowStore(): RowStore {
  const folder = mkdtempSync(join(tmpdir(), "rows-test-"));
  const paths = storePaths(join(folder, "root"), join(folder, "run"));
  for (const path of Object.values(paths)) makeDirs(path, 0o700);
  const db = openDatabase(join(paths.root, "state.db"), bootId());
  const engine = { db, paths };
  let count = 0;
  const begin = Date.now() - 3_600_000;
  return {
    engine,
    folder,
    add(name, { id, request, image, createdAt, ...change } = {}) {
      count++;
      const row = rowOf(engine, {
        name,
        id: (id ?? String(count)).padEnd(64, "0") as ContainerId,
        request: { ...defaultRequest(image?.name ?? ""), command: ["sleep", "9"], ...request },
        image,
        created: timestamp(BigInt(createdAt ?? begin + count * 1000) * 1_000_000n),
      });
      insertContainer(db, row);
      changeContainer(db, row.id, change);
      return { ...row, ...change };
    },
    [Symbol.dispose]() {
      db.handle.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function rowOf(
  engine: Pick<Engine, "paths">,
  its: {
    readonly name: string;
    readonly id: ContainerId;
    readonly request: CreateRequest;
    readonly image: RowWish["image"];
    readonly created: string;
  },
): ContainerRow {
  const resolved = resolveRequest(its.request, null, {
    newVolumeName: () => "f".repeat(64),
    signalNumber,
    hostCapabilities: CAPABILITIES,
  });
  const dir = `${engine.paths.containers}/${its.id}`;
  return {
    id: its.id,
    name: its.name,
    // The record names the image; the column would need a row of an image to point at.
    image: null as ImageId | null,
    layer: null,
    created: its.created,
    record: {
      version: 1,
      resolved,
      image: its.image === undefined ? null : { ...its.image, digest: "sha256:d" },
      layerDriver: "copy",
      dir,
      logPath: `${dir}/ctr.log`,
      madeBy: "test",
    },
    phase: "configured",
    pid: 0,
    pidStart: "",
    monitorPid: 0,
    started: "",
    ended: "",
    exitCode: 0,
    oomKilled: false,
    error: "",
    restarts: 0,
    runtime: "crun@/usr/bin/crun",
    owner: "",
  };
}
