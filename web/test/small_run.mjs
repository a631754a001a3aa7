// What the browser tests and the screenshots look at: runs made with the built program, served on a free port.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

// Containers have no name spaces for the sandbox and little shared memory; the pages are our own.
export const kChromiumFlags = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'];

export function chromiumPath() {
  const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  return places.find((place) => place && existsSync(place));
}

// One thread: the work is small, and tests run beside each other.
const environment = { ...process.env, OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1' };

export function assay(program, ...parts) {
  try {
    return execFileSync(program, parts, { env: environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    throw new Error(`assay ${parts.join(' ')}: ${error.stderr || error.message}`);
  }
}

// {address, stop}: the program's first line says where it listens.
export function serve(program, runs, page) {
  const server = spawn(program, ['serve', ...runs, '--port', '0', ...(page ? ['--page', page] : [])], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let said = '', wrong = '';
    server.stderr.on('data', (bytes) => (wrong += bytes));
    server.on('exit', (code) => reject(new Error(`assay serve ended with ${code}: ${wrong}`)));
    server.stdout.on('data', (bytes) => {
      said += bytes;
      const address = said.match(/http:\/\/\S+/)?.[0];
      if (address) resolve({ address, stop: () => new Promise((ended) => { server.removeAllListeners('exit'); server.on('exit', ended); server.kill('SIGTERM'); }) });
    });
  });
}

const kParts = [
  ['The court', 'The House of Commons', 'A member of the Union', 'The king of Spain', 'She', 'The author of the software', 'A function'],
  ['held that', 'said in', 'asked for', 'returns', 'wrote to', 'shall not be liable for', 'went to'],
  ['the damages of the kind', 'a list of values', 'the city of Rome', 'any person', 'the first day of the month', 'copies of the notice', 'their houses'],
  ['in the year 1905.', 'and the people of the town left.', 'when the file does not exist.', 'free of charge.', 'of the European Union.'],
];

// Documents that differ and yet repeat enough for neurons to have examples; and one that no page may run.
export function smallText() {
  let state = 7;
  const pick = (list) => list[(state = (state * 48271) % 2147483647) % list.length];
  const sentence = () => kParts.map(pick).join(' ');
  const documents = Array.from({ length: 120 }, () => [sentence(), sentence(), sentence(), sentence()].join(' '));
  documents.push('<script>window.hacked = 1</script> <img src=x onerror="window.hacked = 1"> & <b>bold</b> of the kind.');
  return documents.map((text) => JSON.stringify({ text })).join('\n') + '\n';
}
