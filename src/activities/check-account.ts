import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';

/** Checks that the API accepts the key; see `BatchApi.checkKey`. Safe twice: it only reads. */
export async function checkAccount({ api }: Dependencies): Promise<void> {
  await withHeartbeat((signal) => api.checkKey(signal));
}
