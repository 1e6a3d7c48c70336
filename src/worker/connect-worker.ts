import { NativeConnection } from '@temporalio/worker';
import { unreachable, type TemporalTarget } from '../temporal/index.ts';

/**
 * Opens a connection for a worker; the caller closes it.
 * @throws BatchError `temporal_unavailable`
 */
export async function connectWorker(target: TemporalTarget): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect(target.connection);
  } catch (error) {
    throw await unreachable(target, error, 0);
  }
}
