/**
 * The only list of commands: their names, Podman's other spellings, and the file of each, loaded
 * when the command is used. A command that is not here does not exist.
 */
import type { CommandSpec } from "./command.ts";

export type CommandGroup = "Containers" | "Images" | "System";

export interface CommandEntry {
  /** As typed: `run`, `image exists`. */
  readonly name: string;
  readonly aliases: readonly string[];
  readonly summary: string;
  readonly group: CommandGroup;
  /** Works, but is not in help and completion. */
  readonly hidden?: boolean;
  load(): Promise<CommandSpec>;
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "attach",
    aliases: ["container attach"],
    summary: "Attach to a running container",
    group: "Containers",
    load: async () => (await import("./attach.ts")).attach,
  },
  {
    name: "container cleanup",
    aliases: [],
    summary: "Free what stopped containers still hold",
    group: "Containers",
    hidden: true,
    load: async () => (await import("./container_cleanup.ts")).containerCleanup,
  },
  {
    name: "container exists",
    aliases: [],
    summary: "Check if a container exists",
    group: "Containers",
    load: async () => (await import("./container_exists.ts")).containerExists,
  },
  {
    name: "container inspect",
    aliases: [],
    summary: "Display the configuration of containers",
    group: "Containers",
    load: async () => (await import("./inspect_container.ts")).containerInspect,
  },
  {
    name: "container prune",
    aliases: [],
    summary: "Remove all containers that do not run",
    group: "Containers",
    load: async () => (await import("./container_prune.ts")).containerPrune,
  },
  {
    name: "create",
    aliases: ["container create"],
    summary: "Create but do not start a container",
    group: "Containers",
    load: async () => (await import("./create.ts")).create,
  },
  {
    name: "exec",
    aliases: ["container exec"],
    summary: "Run a process in a running container",
    group: "Containers",
    load: async () => (await import("./exec.ts")).exec,
  },
  {
    name: "init",
    aliases: ["container init"],
    summary: "Initialize one or more containers",
    group: "Containers",
    load: async () => (await import("./init.ts")).init,
  },
  {
    name: "kill",
    aliases: ["container kill"],
    summary: "Send a signal to one or more running containers",
    group: "Containers",
    load: async () => (await import("./kill.ts")).kill,
  },
  {
    name: "logs",
    aliases: ["container logs"],
    summary: "Fetch the logs of one or more containers",
    group: "Containers",
    load: async () => (await import("./logs.ts")).logs,
  },
  {
    name: "pause",
    aliases: ["container pause"],
    summary: "Pause all the processes in one or more containers",
    group: "Containers",
    load: async () => (await import("./pause.ts")).pause,
  },
  {
    name: "port",
    aliases: ["container port"],
    summary: "List port mappings of a container",
    group: "Containers",
    load: async () => (await import("./port.ts")).port,
  },
  {
    name: "ps",
    aliases: ["container ps", "container ls", "container list"],
    summary: "List containers",
    group: "Containers",
    load: async () => (await import("./ps.ts")).ps,
  },
  {
    name: "rename",
    aliases: ["container rename"],
    summary: "Rename an existing container",
    group: "Containers",
    load: async () => (await import("./rename.ts")).rename,
  },
  {
    name: "rm",
    aliases: ["container rm"],
    summary: "Remove one or more containers",
    group: "Containers",
    load: async () => (await import("./rm.ts")).rm,
  },
  {
    name: "run",
    aliases: ["container run"],
    summary: "Run a command in a new container",
    group: "Containers",
    load: async () => (await import("./run.ts")).run,
  },
  {
    name: "start",
    aliases: ["container start"],
    summary: "Start one or more containers",
    group: "Containers",
    load: async () => (await import("./start.ts")).start,
  },
  {
    name: "stop",
    aliases: ["container stop"],
    summary: "Stop one or more containers",
    group: "Containers",
    load: async () => (await import("./stop.ts")).stop,
  },
  {
    name: "top",
    aliases: ["container top"],
    summary: "Display the running processes of a container",
    group: "Containers",
    load: async () => (await import("./top.ts")).top,
  },
  {
    name: "unpause",
    aliases: ["container unpause"],
    summary: "Unpause the processes in one or more containers",
    group: "Containers",
    load: async () => (await import("./pause.ts")).unpause,
  },
  {
    name: "wait",
    aliases: ["container wait"],
    summary: "Wait for containers to end and print their exit statuses",
    group: "Containers",
    load: async () => (await import("./wait.ts")).wait,
  },
  {
    name: "history",
    aliases: ["image history"],
    summary: "Show the steps that made an image",
    group: "Images",
    load: async () => (await import("./history.ts")).history,
  },
  {
    name: "image exists",
    aliases: [],
    summary: "Exit with 0 when the image is in the store, else with 1",
    group: "Images",
    load: async () => (await import("./image_exists.ts")).imageExists,
  },
  {
    name: "image inspect",
    aliases: [],
    summary: "Show everything about images",
    group: "Images",
    load: async () => (await import("./image_inspect.ts")).imageInspect,
  },
  {
    name: "image prune",
    aliases: [],
    summary: "Remove images without a name, or all that no container uses",
    group: "Images",
    load: async () => (await import("./image_prune.ts")).imagePrune,
  },
  {
    name: "images",
    aliases: ["image list", "image ls"],
    summary: "List images in the store",
    group: "Images",
    load: async () => (await import("./images.ts")).images,
  },
  {
    name: "import",
    aliases: ["image import"],
    summary: "Make an image of a tar of a file system",
    group: "Images",
    load: async () => (await import("./import.ts")).importTar,
  },
  {
    name: "load",
    aliases: ["image load"],
    summary: "Load images from an archive or a folder",
    group: "Images",
    load: async () => (await import("./load.ts")).load,
  },
  {
    name: "rmi",
    aliases: ["image rm", "image remove"],
    summary: "Remove one or more images",
    group: "Images",
    load: async () => (await import("./rmi.ts")).rmi,
  },
  {
    name: "save",
    aliases: ["image save"],
    summary: "Save images to an archive or a folder",
    group: "Images",
    load: async () => (await import("./save.ts")).save,
  },
  {
    name: "tag",
    aliases: ["image tag"],
    summary: "Give an image more names",
    group: "Images",
    load: async () => (await import("./tag.ts")).tag,
  },
  {
    name: "untag",
    aliases: ["image untag"],
    summary: "Take names from an image, all of them when none is given",
    group: "Images",
    load: async () => (await import("./untag.ts")).untag,
  },
  {
    name: "inspect",
    aliases: [],
    summary: "Show everything about containers, images and volumes",
    group: "System",
    load: async () => (await import("./inspect.ts")).inspect,
  },
  {
    name: "completion",
    aliases: [],
    summary: "Write a completion script for bash, zsh or fish",
    group: "System",
    load: async () => (await import("./completion.ts")).completion,
  },
  {
    name: "doctor",
    aliases: ["system doctor"],
    summary: "Check what this host needs to run containers",
    group: "System",
    load: async () => (await import("./doctor.ts")).doctor,
  },
  {
    name: "drivers check",
    aliases: [],
    summary: "Prove on this host that a driver keeps its contract",
    group: "System",
    load: async () => (await import("./drivers_check.ts")).driversCheck,
  },
  {
    name: "drivers",
    aliases: ["drivers ls", "drivers list"],
    summary: "List drivers, which are in use, and why the others are not",
    group: "System",
    load: async () => (await import("./drivers.ts")).drivers,
  },
  {
    name: "info",
    aliases: ["system info"],
    summary: "Show this host, the store and the drivers in use",
    group: "System",
    load: async () => (await import("./info.ts")).info,
  },
  {
    name: "system df",
    aliases: [],
    summary: "Show disk usage",
    group: "System",
    load: async () => (await import("./system_df.ts")).systemDf,
  },
  {
    name: "system prune",
    aliases: [],
    summary: "Remove unused data",
    group: "System",
    load: async () => (await import("./system_prune.ts")).systemPrune,
  },
  {
    name: "system reset",
    aliases: [],
    summary: "Remove all containers, images, volumes and the store itself",
    group: "System",
    load: async () => (await import("./system_reset.ts")).systemReset,
  },
  {
    name: "version",
    aliases: [],
    summary: "Show the version of coracle",
    group: "System",
    load: async () => (await import("./version.ts")).version,
  },
  {
    name: "volume create",
    aliases: [],
    summary: "Create a new volume",
    group: "System",
    load: async () => (await import("./volume_create.ts")).volumeCreate,
  },
  {
    name: "volume exists",
    aliases: [],
    summary: "Check if a volume exists",
    group: "System",
    load: async () => (await import("./volume_exists.ts")).volumeExists,
  },
  {
    name: "volume inspect",
    aliases: [],
    summary: "Display the configuration of volumes",
    group: "System",
    load: async () => (await import("./volume_inspect.ts")).volumeInspect,
  },
  {
    name: "volume ls",
    aliases: ["volume list"],
    summary: "List volumes",
    group: "System",
    load: async () => (await import("./volume_ls.ts")).volumeLs,
  },
  {
    name: "volume prune",
    aliases: [],
    summary: "Remove all unused volumes",
    group: "System",
    load: async () => (await import("./volume_prune.ts")).volumePrune,
  },
  {
    name: "volume rm",
    aliases: ["volume remove"],
    summary: "Remove one or more volumes",
    group: "System",
    load: async () => (await import("./volume_rm.ts")).volumeRm,
  },
];

/** Nouns of Podman's two-word commands, for `coracle image --help`. */
export const NOUNS: Readonly<Record<string, string>> = {
  container: "Manage containers",
  drivers: "List and check drivers",
  image: "Manage images",
  system: "Manage the store",
  volume: "Manage volumes",
};
