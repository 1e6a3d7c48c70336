import { fileURLToPath } from 'node:url';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { FolderStore } from './folder-store.ts';
import type { Store } from './store.ts';

/**
 * The store at a URL: a folder, as a path or as a `file:` URL. Neither creates nor reads anything.
 * @throws BatchError `store_unavailable` for a URL of another scheme
 */
export function openStore(url: string): Store {
  const [, scheme] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url) ?? [];
  if (scheme === undefined) return new FolderStore(url);
  if (scheme.toLowerCase() === 'file') return new FolderStore(fileURLToPath(url));
  // Without the rest of the URL, which may contain a password.
  throw new BatchError(
    ErrorCode.StoreUnavailable,
    `There is no store for ${scheme}: URLs: set DURABLE_BATCH_HOME to a folder, by its path.`,
  );
}
