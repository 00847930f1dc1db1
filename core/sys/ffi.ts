/**
 * Opens a shared library in Deno or Bun and returns plain functions. The only place that knows the
 * two FFIs; pointers never leave it.
 */

/** C types of arguments: 32- and 64-bit integers, or a buffer passed by address (null: NULL). */
export type Arg = "i32" | "u32" | "i64" | "u64" | "buf";
type Js<T extends Arg> = T extends "buf" ? Uint8Array<ArrayBuffer> | null
  : T extends "i64" | "u64" ? number | bigint
  : number;
/** A function: argument types, result type, and the symbol when it differs from the key. */
export interface Decl {
  readonly a: readonly Arg[];
  readonly r: "i32" | "i64";
  readonly sym?: string;
}
type Args<A extends readonly Arg[]> = { -readonly [K in keyof A]: Js<A[K]> };
export type Library<D extends Record<string, Decl>> = {
  readonly [K in keyof D]: (...a: Args<D[K]["a"]>) => number;
};

export const isBun: boolean = "Bun" in globalThis;

/**
 * Loads `path` with the functions of `decls`. 64-bit results come back as numbers (exact to 2^53,
 * enough for sizes and offsets). Throws when the library or a symbol is missing.
 */
export async function openLibrary<const D extends Record<string, Decl>>(
  path: string,
  decls: D,
): Promise<Library<D>> {
  const out: Record<string, unknown> = {};
  if (isBun) {
    const { dlopen, FFIType: F } = await import("bun:ffi");
    const types = { i32: F.i32, u32: F.u32, i64: F.i64_fast, u64: F.u64_fast, buf: F.ptr } as const;
    // Bun cannot rename a symbol: functions are grouped so that each group has a symbol once.
    const groups: Record<string, { args: number[]; returns: number }>[] = [];
    const keys: string[][] = [];
    for (const [key, d] of Object.entries(decls)) {
      const name = d.sym ?? key;
      let at = groups.findIndex((g) => !(name in g));
      if (at < 0) at = groups.push({}) - 1, keys.push([]);
      groups[at]![name] = { args: d.a.map((x) => types[x]), returns: types[d.r] };
      keys[at]!.push(key);
    }
    groups.forEach((group, i) => {
      const symbols = dlopen(path, group as Parameters<typeof dlopen>[1]).symbols as Record<
        string,
        unknown
      >;
      for (const key of keys[i]!) out[key] = symbols[decls[key]!.sym ?? key];
    });
  } else {
    const wanted: Record<string, Deno.ForeignFunction> = {};
    for (const [key, d] of Object.entries(decls)) {
      const parameters = d.a.map((x): Deno.NativeType => x === "buf" ? "buffer" : x);
      wanted[key] = { name: d.sym ?? key, parameters, result: d.r };
    }
    const { symbols } = Deno.dlopen(path, wanted);
    for (const [key, d] of Object.entries(decls)) {
      const f = symbols[key] as (...a: unknown[]) => unknown;
      out[key] = d.r === "i64" ? (...a: unknown[]) => Number(f(...a)) : f;
    }
  }
  return out as Library<D>;
}

/** A function that reads this thread's errno; call it at once after the failed call. */
export async function openErrno(path: string): Promise<() => number> {
  if (isBun) {
    const { dlopen, FFIType, read } = await import("bun:ffi");
    const { symbols } = dlopen(path, {
      __errno_location: { args: [], returns: FFIType.ptr },
    });
    const address = symbols.__errno_location()!;
    return () => read.i32(address);
  }
  const { symbols } = Deno.dlopen(path, {
    __errno_location: { parameters: [], result: "pointer" },
  });
  const view = new Deno.UnsafePointerView(symbols.__errno_location()!);
  return () => view.getInt32();
}

/**
 * The address of a buffer, for structures that hold pointers (iovec, msghdr, argv). The buffer must
 * be made as `new Uint8Array(new ArrayBuffer(n))` and kept referenced: Bun moves small ones.
 */
export async function openAddress(): Promise<(bytes: Uint8Array<ArrayBuffer>) => bigint> {
  if (isBun) {
    const { ptr } = await import("bun:ffi");
    return (bytes) => BigInt(ptr(bytes));
  }
  return (bytes) => Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}
