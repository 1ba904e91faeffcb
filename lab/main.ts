/**
 * `make lab`, `make lab-down`: a real Kubernetes in network namespaces, left running.
 *
 *     main.ts up [--kubelets]     build what is missing, start, say how to use it
 *     main.ts down [NAME]         end all of them, or one
 *     main.ts built               exit code 1 when a Go compiler will be needed
 */
import { parseArgs } from 'node:util';
import { Narrator } from '../demo/narrator.ts';
import { LabFailure } from './failure.ts';
import { areThere } from './kube/binaries.ts';
import { ROLES } from './kube/extent.ts';
import { KubeLab } from './kube/kubelab.ts';
import { KEPT, labsToRemove, removeLab } from './kube/remove.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { kubelets: { type: 'boolean', default: false } },
});
const [command, name] = positionals;
const extent = values.kubelets ? 'kubelets' : 'cluster';

async function up(): Promise<void> {
  const say = new Narrator();
  const step = (text: string): void => say.step(text);
  const kube = await KubeLab.up({ purpose: KEPT, extent, keep: true, say: step });
  const kubectl = `KUBECONFIG=${kube.kubeconfig} ${kube.directory}/kubectl`;
  say.step(`${kube.lab.prefix} is up`);
  say.detail(`logs      ${kube.logs}`);
  say.detail(`on a node ip netns exec ${kube.lab.prefix}-node1 nft list table ip kube-proxy`);
  say.detail(`a client  ip netns exec ${kube.lab.prefix}-client curl http://192.168.100.240/`);
  say.detail(`in there  KUBECONFIG=${kube.lanKubeconfig}`);
  say.detail('to end it make lab-down');
  kube.release();
  say.last(`${kubectl} get nodes -o wide`);
}

async function down(): Promise<void> {
  const labs = labsToRemove(name);
  for (const prefix of labs) await removeLab(prefix);
  console.log(labs.length === 0 ? 'lab: none is there' : `lab: removed ${labs.join(', ')}`);
}

try {
  if (command === 'up') await up();
  else if (command === 'down') await down();
  else if (command === 'built') process.exitCode = areThere(ROLES[extent]) ? 0 : 1;
  else throw new LabFailure(`no command ${command ?? ''}: choose up, down or built`);
} catch (error) {
  console.error(`lab: ${error instanceof LabFailure ? error.message : String(error)}`);
  process.exitCode = 1;
}
