// The compiler as a project's command runs it: in one process, where `asc` starts a second one.
//
// `sandloop dev` waits for it at each edit. Half of its work is WebAssembly, and Node.js would optimise that while it runs, for
// longer than a build without optimisation lasts.
import { setFlagsFromString } from 'node:v8';

if (process.env.SANDLOOP_DEV) setFlagsFromString('--liftoff-only');
const { main } = await import('assemblyscript/asc');
const { error } = await main(process.argv.slice(2), { stdout: process.stdout, stderr: process.stderr });
if (error) process.exitCode = 1;
