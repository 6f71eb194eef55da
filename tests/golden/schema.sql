-- version 2
CREATE TABLE alerts (
  id INTEGER PRIMARY KEY,
  rule TEXT NOT NULL,
  at INTEGER NOT NULL,
  ended INTEGER,
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  amount INTEGER NOT NULL,
  told INTEGER NOT NULL DEFAULT 0,
  UNIQUE (rule, at)
) STRICT;
CREATE TABLE broken (
  file INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
  offset INTEGER NOT NULL,
  fault TEXT NOT NULL,
  PRIMARY KEY (file, offset)
) STRICT, WITHOUT ROWID;
CREATE TABLE calls (
  id INTEGER PRIMARY KEY,
  provider INTEGER NOT NULL,
  model INTEGER NOT NULL,
  api INTEGER NOT NULL,
  stop INTEGER NOT NULL,
  UNIQUE (model, provider, api, stop)
) STRICT;
CREATE TABLE cursors (
  file INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
  session TEXT NOT NULL,
  generation TEXT NOT NULL,
  cursor TEXT NOT NULL,
  PRIMARY KEY (file, session, generation)
) STRICT, WITHOUT ROWID;
CREATE TABLE days (
  day INTEGER NOT NULL,
  source INTEGER NOT NULL,
  model INTEGER NOT NULL,
  responses INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write_5m INTEGER NOT NULL,
  cache_write_1h INTEGER NOT NULL,
  unsplit INTEGER NOT NULL,
  PRIMARY KEY (day, source, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE files (
  id INTEGER PRIMARY KEY,
  path TEXT NOT NULL UNIQUE,
  source INTEGER NOT NULL,
  device INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime INTEGER NOT NULL,
  stamp TEXT NOT NULL,
  unknown TEXT NOT NULL,
  generation INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  head_length INTEGER NOT NULL,
  head INTEGER NOT NULL,
  anchor INTEGER NOT NULL,
  carry TEXT NOT NULL,
  gone INTEGER NOT NULL,
  counted INTEGER NOT NULL,
  no_usage INTEGER NOT NULL,
  not_assistant INTEGER NOT NULL,
  synthetic INTEGER NOT NULL,
  zero_usage INTEGER NOT NULL,
  blank INTEGER NOT NULL,
  broken INTEGER NOT NULL
) STRICT;
CREATE TABLE gateways (
  name TEXT PRIMARY KEY,
  address TEXT NOT NULL,
  since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE heard (
  gateway INTEGER NOT NULL,
  at INTEGER NOT NULL,
  stored INTEGER NOT NULL,
  provider INTEGER NOT NULL,
  model INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  forgotten INTEGER NOT NULL,
  responses INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  recorded INTEGER NOT NULL,
  unstated INTEGER NOT NULL,
  computed INTEGER NOT NULL,
  PRIMARY KEY (gateway, at, stored, provider, model, agent, forgotten)
) STRICT, WITHOUT ROWID;
CREATE TABLE looks (
  source INTEGER NOT NULL,
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  PRIMARY KEY (source, since)
) STRICT, WITHOUT ROWID;
CREATE TABLE names (
  id INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE owners (
  id INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  project INTEGER NOT NULL,
  session INTEGER NOT NULL,
  branch INTEGER NOT NULL,
  subagent INTEGER NOT NULL,
  gateway INTEGER NOT NULL,
  UNIQUE (session, project, agent, branch, subagent, gateway, source)
) STRICT;
CREATE TABLE quotas (
  gateway TEXT NOT NULL,
  provider TEXT NOT NULL,
  label TEXT NOT NULL,
  group_label TEXT NOT NULL,
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  told INTEGER NOT NULL,
  title TEXT NOT NULL,
  plan TEXT,
  used_milli_percent INTEGER NOT NULL,
  reset_at INTEGER,
  PRIMARY KEY (gateway, provider, label, group_label, since)
) STRICT, WITHOUT ROWID;
CREATE TABLE remote_days (
  gateway TEXT NOT NULL,
  day INTEGER NOT NULL,
  zone TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  taken_at INTEGER NOT NULL,
  logs_here INTEGER NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  missing INTEGER NOT NULL,
  PRIMARY KEY (gateway, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE remote_models (
  gateway TEXT NOT NULL,
  day INTEGER NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  agent TEXT NOT NULL,
  tokens INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  responses INTEGER NOT NULL,
  missing INTEGER NOT NULL,
  PRIMARY KEY (gateway, day, provider, model, agent)
) STRICT, WITHOUT ROWID;
CREATE TABLE remote_sessions (
  gateway TEXT NOT NULL,
  session TEXT NOT NULL,
  active_at INTEGER NOT NULL,
  logs_here INTEGER NOT NULL,
  PRIMARY KEY (gateway, session)
) STRICT, WITHOUT ROWID;
CREATE TABLE responses (
  id INTEGER PRIMARY KEY,
  seen BLOB NOT NULL
) STRICT;
CREATE TABLE rests (
  day INTEGER NOT NULL,
  gateway INTEGER NOT NULL,
  provider INTEGER NOT NULL,
  model INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  responses INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  PRIMARY KEY (day, gateway, provider, model, agent)
) STRICT, WITHOUT ROWID;
CREATE TABLE rollups (
  slot INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  call INTEGER NOT NULL,
  responses INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write_5m INTEGER NOT NULL,
  cache_write_1h INTEGER NOT NULL,
  unsplit INTEGER NOT NULL,
  PRIMARY KEY (slot, owner, call)
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
  session INTEGER NOT NULL,
  source INTEGER NOT NULL,
  key INTEGER NOT NULL,
  label INTEGER NOT NULL,
  channel INTEGER NOT NULL,
  chat_type INTEGER NOT NULL,
  created INTEGER NOT NULL,
  parent INTEGER NOT NULL,
  PRIMARY KEY (session, source)
) STRICT, WITHOUT ROWID;
CREATE TABLE state (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE stored (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL
) STRICT;
CREATE TABLE tellers (
  name TEXT NOT NULL,
  since INTEGER NOT NULL,
  gateway TEXT NOT NULL,
  PRIMARY KEY (name, since)
) STRICT, WITHOUT ROWID;
CREATE TABLE told_sessions (
  session INTEGER NOT NULL,
  gateway TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (session, gateway)
) STRICT, WITHOUT ROWID;
CREATE INDEX files_identity ON files (device, inode);
