/**
 * What plugins get of this room (`Kit.archive`). Kept small: what is here cannot change lightly.
 */
export { TarReader } from "./tar_reader.ts";
export { TarWriter } from "./tar_writer.ts";
export { TreeReceiver } from "./receive.ts";
export { walkTree } from "./walk.ts";
