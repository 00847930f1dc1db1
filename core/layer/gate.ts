/**
 * The gate of the layer store: closed for the moment in which layers are exchanged under everybody
 * (`system check --repair`), or for as long as all of them go to another driver (`storage migrate`).
 * It is a word in the database that names the process; when that one is dead the gate is open.
 */
import { CoracleError } from "../errors.ts";
import { type Database, forgetMeta, meta, setMeta, transaction } from "../state/database.ts";
import { isAlive, selfIdentity } from "../sys/process.ts";

const KEY = "layer_gate";

/** `repair`: no layer is mounted. `migrate`: none is mounted, made, sealed or filled. */
export type GateReason = "repair" | "migrate";

interface Closed {
  readonly pid: number;
  readonly start: string;
  readonly reason: GateReason;
}

function closedBy(db: Database): Closed | null {
  const [pid, start, reason] = (meta(db, KEY) ?? "").split(" ");
  if (start === undefined || reason === undefined) return null;
  const holder = { pid: Number(pid), start, reason: reason as GateReason };
  return isAlive(holder) ? holder : null;
}

/** Closes the gate until it is disposed. Fails with `busy` when another process has closed it. */
export function closeGate(db: Database, reason: GateReason): Disposable {
  const { pid, start } = selfIdentity();
  transaction(db, () => {
    const other = closedBy(db);
    if (other !== null && other.pid !== pid) throw busy(`cannot ${reason} the store`, other);
    setMeta(db, KEY, `${pid} ${start} ${reason}`);
  });
  return { [Symbol.dispose]: () => forgetMeta(db, KEY) };
}

/**
 * Fails with `busy` when the gate is closed by another process for what is to be done. Asked after a
 * holder is written and inside the transaction of a new row: whoever closes the gate looks at both
 * afterwards.
 */
export function passGate(db: Database, what: string, reasons: readonly GateReason[]): void {
  const closed = closedBy(db);
  if (closed === null || closed.pid === selfIdentity().pid) return;
  if (reasons.includes(closed.reason)) throw busy(what, closed);
}

/**
 * Inside the transaction that makes a layer known: is the driver that made it still the store's?
 * Fails with `busy`.
 */
export function passAsDriver(db: Database, driver: string): void {
  const what = "cannot make a layer";
  passGate(db, what, ["migrate"]);
  const current = meta(db, "layer_driver");
  if (current === undefined || current === driver) return;
  throw new CoracleError("busy", what, {
    why: `the store was moved to the driver "${current}" meanwhile`,
    hint: "run the command again",
  });
}

function busy(what: string, { pid, reason }: Closed): CoracleError {
  const why = reason === "repair"
    ? `process ${pid} is repairing layers`
    : `process ${pid} is moving all layers to another driver`;
  return new CoracleError("busy", what, { why, hint: "run the command again when it is done" });
}
