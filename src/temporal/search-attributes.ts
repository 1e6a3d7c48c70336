/** Whether a namespace has our search attributes, and how it gets them. */
import type { Connection } from '@temporalio/client';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { searchAttributes } from '../core/search-attributes.ts';
import type { TemporalTarget } from './temporal-target.ts';

/** A server with several frontends knows new attributes within a minute; until then it refuses queries with them. */
const KNOWN_MS = 90_000;
const ASK_AGAIN_MS = 500;

/** A namespace that lacks them is asked again after this long, since somebody may have run `setup`. */
const LOOK_AGAIN_MS = 60_000;

const wanted = Object.values(searchAttributes);

/** Each attribute as the command line of Temporal takes it: `DurableBatchStatus=Keyword`. */
export const attributeFlags: readonly string[] = wanted.map(({ name, type }) => `${name}=${wordOf(type)}`);

const seen = new Map<string, { readonly searchable: Promise<boolean>; readonly at: number }>();

/**
 * True when jobs of the namespace can have our search attributes. The embedded server is given them where it lacks
 * them: its database may be older than they are. Asked once per process and namespace, and again after a minute of no.
 */
export async function isSearchable(connection: Connection, target: TemporalTarget): Promise<boolean> {
  const { namespace } = target;
  const key = `${target.connection.address} ${namespace}`;
  const before = seen.get(key);
  if (before !== undefined && ((await before.searchable) || Date.now() - before.at < LOOK_AGAIN_MS))
    return await before.searchable;
  const look = async (): Promise<boolean> => {
    if (await acceptsQuery(connection, namespace)) return true;
    if (target.kind !== 'embedded') return false;
    await registerSearchAttributes(connection, target);
    return true;
  };
  // A server that cannot be asked is told of by the call that follows; the job only is not found by attributes.
  const searchable = look().catch(() => false);
  seen.set(key, { searchable, at: Date.now() });
  return await searchable;
}

/** Which attributes were there and which had to be added. */
export interface Registration {
  readonly added: readonly string[];
  readonly present: readonly string[];
}

/**
 * Gives a namespace the search attributes that it lacks, and waits until they can be used. Safe twice.
 * @throws BatchError `temporal_unavailable` where the server does not let us, saying what to type instead
 */
export async function registerSearchAttributes(
  connection: Connection,
  target: TemporalTarget,
): Promise<Registration> {
  const { namespace } = target;
  if (await acceptsQuery(connection, namespace))
    return { added: [], present: wanted.map(({ name }) => name) };
  const { typeOf } = await codec();
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = wanted.filter(({ name }) => !Object.hasOwn(customAttributes, name));
    const wrong = wanted.filter(
      ({ name, type }) => Object.hasOwn(customAttributes, name) && customAttributes[name] !== typeOf(type),
    );
    if (wrong.length > 0) throw wrongTypes(namespace, wrong);
    if (missing.length > 0) await add(connection, namespace, missing);
    await untilKnown(connection, namespace);
    const added = missing.map(({ name }) => name);
    return { added, present: wanted.map(({ name }) => name).filter((name) => !added.includes(name)) };
  } catch (error) {
    if (error instanceof BatchError) throw error;
    // No `cause`: gRPC errors carry the request's metadata, and with it the API key.
    throw new BatchError(ErrorCode.TemporalUnavailable, notRegistered(target, error));
  }
}

type Attribute = (typeof wanted)[number];

async function add(connection: Connection, namespace: string, missing: readonly Attribute[]): Promise<void> {
  const { typeOf } = await codec();
  const attributes = Object.fromEntries(missing.map(({ name, type }) => [name, typeOf(type)!]));
  try {
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes: attributes });
  } catch (error) {
    // Another process was faster; whether all are there now is what the next look tells.
    if (codeOf(error) !== ALREADY_EXISTS) throw error;
  }
}

/** One read that any user of the namespace may make; a query with an unknown attribute is refused. */
async function acceptsQuery(connection: Connection, namespace: string): Promise<boolean> {
  const query = wanted.map(({ name }) => `${name} = '-'`).join(' AND ');
  try {
    await connection.workflowService.countWorkflowExecutions({ namespace, query });
    return true;
  } catch (error) {
    if (codeOf(error) === INVALID_ARGUMENT) return false;
    throw error;
  }
}

async function untilKnown(connection: Connection, namespace: string): Promise<void> {
  const deadline = Date.now() + KNOWN_MS;
  while (!(await acceptsQuery(connection, namespace))) {
    if (Date.now() > deadline) {
      throw new BatchError(
        ErrorCode.TemporalUnavailable,
        `The search attributes of namespace ${namespace} are registered but not yet known to the whole server: run \`durable-batch setup\` again in some minutes.`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
}

const INVALID_ARGUMENT = 3;
const ALREADY_EXISTS = 6;

function codeOf(error: unknown): number | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('code' in cause && typeof cause.code === 'number') return cause.code;
  return null;
}

/** What the SDK takes half a second to load is loaded where it is needed. */
async function codec(): Promise<{ typeOf: (type: Attribute['type']) => number | undefined }> {
  const { encodeSearchAttributeIndexedValueType } =
    await import('@temporalio/common/lib/search-attributes.js');
  return { typeOf: encodeSearchAttributeIndexedValueType };
}

function wrongTypes(namespace: string, wrong: readonly Attribute[]): BatchError {
  const names = wrong.map(({ name, type }) => `${name} (must be ${wordOf(type)})`).join(', ');
  return new BatchError(
    ErrorCode.TemporalUnavailable,
    `Namespace ${namespace} has search attributes of our names with another type: ${names}. Remove or rename them, then run \`durable-batch setup\` again; jobs run without them.`,
  );
}

function notRegistered({ connection: { address }, namespace }: TemporalTarget, error: unknown): string {
  const lines = wanted.map(
    ({ name, type }) =>
      `  temporal operator search-attribute create --namespace ${namespace} --name ${name} --type ${wordOf(type)}`,
  );
  return [
    `The Temporal server at ${address} did not register search attributes in namespace ${namespace} (${reasonOf(error)}). Jobs run without them. Ask whoever runs it to type:`,
    ...lines,
    'or, in Temporal Cloud:',
    `  tcld namespace search-attributes add --namespace ${namespace} ${attributeFlags.map((flag) => `--search-attribute "${flag}"`).join(' ')}`,
  ].join('\n');
}

/** The server's own words; what it was sent, and a key with it, is not part of them. */
function reasonOf(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('details' in cause && typeof cause.details === 'string' && cause.details !== '') return cause.details;
  return `gRPC code ${codeOf(error) ?? 'unknown'}`;
}

/** `KEYWORD_LIST` as Temporal's command line says it: `KeywordList`. */
function wordOf(type: Attribute['type']): string {
  return type === 'KEYWORD' ? 'Keyword' : 'KeywordList';
}
