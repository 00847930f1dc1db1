/**
 * The environment of a monitor and of what it starts: the caller's, without the variables that are
 * orders to somebody else.
 */

/**
 * Taken out: BUN_* and DENO_* and NODE_OPTIONS (the exit command is our executable, which obeys
 * them: `BUN_OPTIONS=--preload` would run a stranger's code as root), LD_* (the same by the loader),
 * `_OCI_*` (pipes of another monitor), NOTIFY_SOCKET and LISTEN_* (a service manager's talk with the
 * caller), DBUS_SESSION_BUS_ADDRESS (root must not use a user's bus).
 */
const FOREIGN =
  /^(BUN_|DENO_|LD_|_OCI_|LISTEN_|(NODE_OPTIONS|NOTIFY_SOCKET|DBUS_SESSION_BUS_ADDRESS)$)/;

export function monitorEnvironment(
  environment: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !FOREIGN.test(name)));
}
