/** Workflows of this application, and durable-batch's beside them: Temporal bundles whatever this module exports. */
export { batchJob } from 'durable-batch/workflows';

/** A workflow of the application's own. */
export async function greet(name: string): Promise<string> {
  return `Hello, ${name}!`;
}
