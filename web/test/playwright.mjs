// playwright-core lies where the page was built: beside this folder, or in the folder that ASSAY_NODE_MODULES names.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

export async function loadPlaywright() {
  const given = process.env.ASSAY_NODE_MODULES;
  if (!given) return (await import('playwright-core')).default;
  const require = createRequire(pathToFileURL(join(given, 'here.js')));
  return (await import(pathToFileURL(require.resolve('playwright-core')))).default;
}
