/**
 * The schema of `state.db`, as the list of steps that made it. A step is never changed once a
 * release has it; the number of steps done is the database's `user_version`.
 *
 * Foreign keys carry the rules of use: a layer under a layer, an image or a container cannot go; an
 * image under a container cannot go. Content is made durable before the row that names it, and a
 * row goes before its content.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE IF NOT EXISTS meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) WITHOUT ROWID;

  CREATE TABLE layers (
    id TEXT PRIMARY KEY,
    parent TEXT REFERENCES layers (id),
    kind TEXT NOT NULL CHECK (kind IN ('image', 'container')),
    chain_id TEXT UNIQUE,
    diff_id TEXT,
    name TEXT UNIQUE,
    size INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL,
    writable INTEGER NOT NULL CHECK (writable IN (0, 1)),
    volatile INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;
  CREATE INDEX layers_parent ON layers (parent);

  CREATE TABLE images (
    id TEXT PRIMARY KEY,
    manifest TEXT NOT NULL,
    layer TEXT REFERENCES layers (id),
    parent TEXT,
    size INTEGER NOT NULL,
    created TEXT NOT NULL,
    loaded TEXT NOT NULL,
    labels TEXT NOT NULL,
    architecture TEXT NOT NULL,
    os TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX images_layer ON images (layer);
  CREATE TABLE image_names (
    name TEXT PRIMARY KEY,
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    added INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX image_names_image ON image_names (image);
  CREATE TABLE image_blobs (
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    blob TEXT NOT NULL,
    PRIMARY KEY (image, blob)
  ) WITHOUT ROWID;
  CREATE INDEX image_blobs_blob ON image_blobs (blob);

  CREATE TABLE containers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    image TEXT REFERENCES images (id),
    layer TEXT REFERENCES layers (id),
    created TEXT NOT NULL,
    phase TEXT NOT NULL,
    pid INTEGER NOT NULL DEFAULT 0,
    pid_start TEXT NOT NULL DEFAULT '',
    monitor_pid INTEGER NOT NULL DEFAULT 0,
    started TEXT NOT NULL DEFAULT '',
    ended TEXT NOT NULL DEFAULT '',
    exit_code INTEGER NOT NULL DEFAULT 0,
    oom_killed INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    restarts INTEGER NOT NULL DEFAULT 0,
    runtime TEXT NOT NULL DEFAULT '',
    owner TEXT NOT NULL DEFAULT ''
  ) WITHOUT ROWID;
  CREATE INDEX containers_image ON containers (image);
  CREATE INDEX containers_layer ON containers (layer);
  -- Apart from the columns that change: a record is several pages, and a change of state would
  -- write them all again.
  CREATE TABLE container_records (
    id TEXT PRIMARY KEY REFERENCES containers (id) ON DELETE CASCADE,
    record TEXT NOT NULL
  );

  CREATE TABLE exec_sessions (
    id TEXT PRIMARY KEY,
    container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    command TEXT NOT NULL,
    pid INTEGER NOT NULL DEFAULT 0,
    pid_start TEXT NOT NULL DEFAULT '',
    owner TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX exec_sessions_container ON exec_sessions (container);

  CREATE TABLE volumes (
    name TEXT PRIMARY KEY,
    created TEXT NOT NULL,
    labels TEXT NOT NULL,
    options TEXT NOT NULL,
    anonymous INTEGER NOT NULL DEFAULT 0,
    filled INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;
  CREATE TABLE container_volumes (
    container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    volume TEXT NOT NULL REFERENCES volumes (name),
    PRIMARY KEY (container, volume)
  ) WITHOUT ROWID;
  CREATE INDEX container_volumes_volume ON container_volumes (volume);

  -- Exit statuses outlive the container for a while, so that "wait" after "--rm" still answers.
  CREATE TABLE exits (
    container TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    exit_code INTEGER NOT NULL,
    at INTEGER NOT NULL
  ) WITHOUT ROWID;
  `,
];
