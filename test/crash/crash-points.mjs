/**
 * Loaded into unmodified processes of durable-batch (`NODE_OPTIONS=--import`, which reaches their threads too): names
 * every durable step that the running code takes, writes the names down, and strikes at one of them.
 *
 * A step is a moment of a file in a watched folder (half written, complete but without its name, in place), of a call
 * of the API (before, committed, replied, half read), of a call of Temporal by a client, of an activity or of a
 * workflow task. Names come from the code's own paths, routes and types, so new code gets its steps automatically; ids and
 * numbers in them are `N`.
 *
 * `CRASH_POINTS` is JSON: `{ folder, job, roots: [[path, label]], strike?: { step, occurrence, kind, serverFile, clientPid } }`.
 * It writes two files into `folder`: `steps`, with one name a line, and `struck`, after the strike. The strike happens once,
 * however many processes and threads are configured for it.
 */
import fs from 'node:fs';
import promises from 'node:fs/promises';
import http2 from 'node:http2';
import Module, { createRequire, syncBuiltinESMExports } from 'node:module';
import { basename, join, relative } from 'node:path';

const { folder, job, roots, strike } = JSON.parse(process.env.CRASH_POINTS);
const own = { ...fs };
const sleeper = new Int32Array(new SharedArrayBuffer(4));
const sleepSync = (ms) => Atomics.wait(sleeper, 0, 0, ms);
let occurrences = 0;

/** Records a step, and strikes if it is the configured one. Returns true if the call has to be interrupted. */
function at(step) {
  own.appendFileSync(join(folder, 'steps'), `${step}\n`);
  if (strike === undefined || strike.step !== step) return false;
  const count = join(folder, 'count');
  own.appendFileSync(count, '.');
  occurrences = own.statSync(count).size;
  if (occurrences < strike.occurrence) return false;
  if (!isFirstStrike()) return false;
  if (strike.kind === 'server' || strike.kind === 'both') killServer();
  if (strike.kind === 'client') process.kill(strike.clientPid, 'SIGKILL');
  if (strike.kind === 'kill' || strike.kind === 'both') process.kill(process.pid, 'SIGKILL');
  if (strike.kind === 'stop') process.kill(process.pid, 'SIGSTOP');
  // The signal may reach another thread first: this one must not proceed meanwhile, but continue immediately after a SIGCONT.
  if (strike.kind === 'kill' || strike.kind === 'both' || strike.kind === 'stop') {
    for (let rest = 200, last = Date.now(); rest > 0 && Date.now() - last < 1_000; rest -= 1) {
      last = Date.now();
      sleepSync(1);
    }
  }
  return true;
}

function isFirstStrike() {
  try {
    own.closeSync(own.openSync(join(folder, 'struck'), 'wx'));
    return true;
  } catch {
    return false;
  }
}

function killServer() {
  const { pid } = JSON.parse(own.readFileSync(strike.serverFile, 'utf8'));
  process.kill(pid, 'SIGKILL');
  for (let tries = 0; tries < 400 && isRunning(pid); tries += 1) sleepSync(5);
}

function isRunning(pid) {
  try {
    return !/^\d+ \(.*\) Z/.test(own.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

// --- files

/** The name of a file's steps; a draft has the name of its final file. Null for files that are not watched. */
function nameOf(path) {
  for (const [root, label] of roots) {
    const inside = relative(root, String(path));
    if (inside.startsWith('..') || basename(inside).startsWith('.')) continue;
    const target = inside.replaceAll(/\.(?:\d+-)?[0-9a-f]{8}\.tmp/g, '');
    return (
      label +
      target
        .replace(/^shards\/[^/]+\//, '')
        .replace(job, 'JOB')
        // Random ids of attempts, and the folder in which the first round is built.
        .replace(/(rows|feedback)-[0-9a-f]+\.jsonl/, '$1-1.jsonl')
        .replace(/^building\/[0-9a-f-]+\/jobs\/JOB\/(?:shards\/[^/]+\/)?/, '')
        .replaceAll(/\d+/g, 'N')
    );
  }
  return null;
}

const isDraft = (path) => String(path).endsWith('.tmp');

/** Records the step between the two halves of a file. */
const half = (name) => at(`${name} half written`);

const written = new Map();
fs.openSync = (path, ...rest) => {
  const descriptor = own.openSync(path, ...rest);
  const name = rest[0] === 'wx' ? nameOf(path) : null;
  if (name === null) written.delete(descriptor);
  else written.set(descriptor, name);
  return descriptor;
};
fs.writeSync = (descriptor, block, start, length, ...rest) => {
  const name = written.get(descriptor);
  if (name === undefined || !(length > 1)) return own.writeSync(descriptor, block, start, length, ...rest);
  written.delete(descriptor);
  const bytes = own.writeSync(descriptor, block, start, Math.floor(length / 2), ...rest);
  half(name);
  return bytes; // a short write, which the system may also return
};
for (const [call, how] of [
  ['renameSync', 'rename'],
  ['linkSync', 'link'],
]) {
  fs[call] = (from, to) => {
    const name = isDraft(to) ? null : nameOf(to);
    // Another process can win a claim by link only: before a rename nothing has changed since the half was written.
    if (name !== null && how === 'link') at(`${name} before its link`);
    own[call](from, to);
    if (name !== null) at(`${name} in place`);
  };
}

const ownPromises = { ...promises };
promises.open = async (path, ...rest) => {
  const file = await ownPromises.open(path, ...rest);
  let name = rest[0] === 'wx' ? nameOf(path) : null;
  if (name === null) return file;
  const writeFile = file.writeFile.bind(file);
  file.writeFile = async (data, ...options) => {
    const bytes = Buffer.from(data);
    const middle = name === null ? 0 : Math.floor(bytes.length / 2);
    if (middle > 0) {
      await writeFile(bytes.subarray(0, middle), ...options);
      half(name);
      name = null;
    }
    await writeFile(bytes.subarray(middle), ...options);
  };
  return file;
};
promises.writeFile = async (path, data, ...rest) => {
  const name = typeof path === 'string' ? nameOf(path) : null;
  if (name !== null && data.length > 1) {
    await ownPromises.writeFile(path, Buffer.from(data).subarray(0, Math.floor(data.length / 2)));
    half(name);
  }
  await ownPromises.writeFile(path, data, ...rest);
};
promises.copyFile = async (from, to, ...rest) => {
  const name = nameOf(to);
  if (name !== null) {
    const bytes = await ownPromises.readFile(from);
    await ownPromises.writeFile(to, bytes.subarray(0, Math.floor(bytes.length / 2)));
    half(name);
  }
  await ownPromises.copyFile(from, to, ...rest);
};
for (const call of ['rename', 'link']) {
  promises[call] = async (from, to) => {
    const name = isDraft(to) ? null : nameOf(to);
    if (name !== null && call === 'link') at(`${name} before its link`);
    await ownPromises[call](from, to);
    if (name !== null) at(`${name} in place`);
  };
}

// --- calls of the API

const ownFetch = globalThis.fetch;
const api = process.env.OPENAI_BASE_URL ?? 'none:';
const reset = () =>
  Object.assign(new TypeError('fetch failed'), {
    cause: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }),
  });

globalThis.fetch = async (input, init) => {
  const url = input instanceof Request ? input.url : input.toString();
  // The check of the API before a worker starts is not a step of a job.
  if (!url.startsWith(api) || url.endsWith('/batches?limit=1')) return await ownFetch(input, init);
  const [path] = url.slice(api.length).split('?');
  const call = `${init.method.toUpperCase()} ${path.replaceAll(/(file|batch|upload|part)[-_][A-Za-z0-9_-]+/g, 'N')}`;
  const isResetAt = (moment) => strike?.kind === 'reset' && strike.step === `${call} ${moment}`;
  const withFault = (fault) => ({
    ...init,
    headers: new Headers([...new Headers(init.headers), ['x-emulator-fault', JSON.stringify(fault)]]),
  });

  // Before a call that only reads, nothing has changed since the previous step.
  if (init.method.toUpperCase() === 'POST') {
    if (isResetAt('before') && at(`${call} before`)) {
      return await ownFetch(input, withFault({ kind: 'reset', when: 'before' }));
    }
    if (!isResetAt('before')) at(`${call} before`);
    const committed = `${call} committed`;
    if (strike?.step === committed && !own.existsSync(join(folder, 'struck'))) {
      await committedWithoutReply(input, withFault, path, committed);
      throw reset(); // a process that survives gets a broken connection
    }
    at(committed);
  }
  if (isResetAt('replied') && at(`${call} replied`)) {
    return await ownFetch(input, withFault({ kind: 'reset', when: 'after' }));
  }
  if (isResetAt('half read') && at(`${call} half read`)) {
    return await ownFetch(input, withFault({ kind: 'truncate', afterFraction: 0.5 }));
  }
  const response = await ownFetch(input, init);
  at(`${call} replied`);
  if (!path.endsWith('/content') || !response.ok) return response;
  return new Response(halfReadBody(response.body, `${call} half read`), response);
};

/** Makes the call, waits until the server has done its work and withholds the reply, and records the step. */
async function committedWithoutReply(input, withFault, path, step) {
  const kind = path === '/files' ? 'files.create' : 'batches.create';
  const withheld = async () => {
    const report = await ownFetch(new URL('/emulator/calls', api));
    return (await report.json()).calls[kind].unanswered;
  };
  const before = await withheld();
  const breakOff = new AbortController();
  const gone = ownFetch(input, {
    ...withFault({ kind: 'hold', when: 'after' }),
    signal: breakOff.signal,
  }).catch(() => undefined);
  while ((await withheld()) === before) await new Promise((resolve) => setTimeout(resolve, 5));
  at(step);
  breakOff.abort();
  await gone;
}

function halfReadBody(body, step) {
  let first = true;
  return body.pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        const middle = first ? Math.floor(chunk.length / 2) : 0;
        if (middle > 0) {
          first = false;
          controller.enqueue(chunk.subarray(0, middle));
          at(step);
        }
        controller.enqueue(chunk.subarray(middle));
      },
    }),
  );
}

// --- calls of Temporal by a client

const ownConnect = http2.connect;
http2.connect = (...args) => {
  const session = ownConnect(...args);
  const request = session.request.bind(session);
  session.request = (headers, ...rest) => {
    const name = String(headers[':path']).split('/').at(-1);
    // Long polls and reads change nothing and happen at any time.
    if (/^(?:Get|Describe|Query|List)/.test(name)) return request(headers, ...rest);
    at(`${name} before`);
    const stream = request(headers, ...rest);
    stream.once('end', () => at(`${name} replied`));
    return stream;
  };
  return session;
};

// --- activities and workflow tasks

const require = createRequire(import.meta.url);
const ownLoad = Module._load;
let isBridgeWatched = false;
Module._load = function load(request, ...rest) {
  const loaded = Reflect.apply(ownLoad, this, [request, ...rest]);
  if (request === '@temporalio/core-bridge' && !isBridgeWatched) {
    isBridgeWatched = true;
    watchBridge(loaded.native);
  }
  return loaded;
};

function watchBridge(native) {
  const { coresdk } = require('@temporalio/proto');
  const { workerPollActivityTask, workerCompleteActivityTask, workerCompleteWorkflowActivation } = native;
  const activities = new Map();
  native.workerPollActivityTask = async (...args) => {
    const buffer = await workerPollActivityTask(...args);
    const { taskToken, start } = coresdk.activity_task.ActivityTask.decode(new Uint8Array(buffer));
    if (start) activities.set(Buffer.from(taskToken).toString('base64'), start.activityType);
    return buffer;
  };
  native.workerCompleteActivityTask = async (worker, buffer) => {
    const { taskToken, result } = coresdk.ActivityTaskCompletion.decodeDelimited(new Uint8Array(buffer));
    const type = activities.get(Buffer.from(taskToken).toString('base64'));
    const name = `activity ${type} ${result.completed ? 'done' : 'failed'}`;
    at(`${name}, not reported`);
    const reply = await workerCompleteActivityTask(worker, buffer);
    at(`${name}, reported`);
    return reply;
  };
  native.workerCompleteWorkflowActivation = async (worker, buffer) => {
    const completion = coresdk.workflow_completion.WorkflowActivationCompletion.decodeDelimited(
      new Uint8Array(buffer),
    );
    const names = new Set((completion.successful?.commands ?? []).map(commandName));
    names.delete(null);
    for (const name of names) at(`workflow task that ${name}, not reported`);
    const reply = await workerCompleteWorkflowActivation(worker, buffer);
    // If another task follows, its own steps cover this moment.
    for (const name of names) if (/as new|the job$/.test(name)) at(`workflow task that ${name}, reported`);
    return reply;
  };
}

function commandName(command) {
  if (command.scheduleActivity) return `schedules ${command.scheduleActivity.activityType}`;
  if (command.startTimer) return 'starts a timer';
  if (command.continueAsNewWorkflowExecution) return 'continues as new';
  if (command.completeWorkflowExecution) return 'ends the job';
  if (command.failWorkflowExecution) return 'fails the job';
  return null; // queries, cancelled timers and current details change nothing durable
}

syncBuiltinESMExports();
