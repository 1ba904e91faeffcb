/**
 * Takes the speakers' reports: POST /report on the metrics port. The tag, which is over the body,
 * is checked before anything of it is parsed; a report that is admitted becomes an input of the
 * Machine.
 *
 * The secret is asked for with every report: in a pod the file may appear, and change, while the
 * controller runs.
 */
import type { IncomingMessage, RequestListener } from 'node:http';
import { MOST_BYTES, TAG_CONTEXT, TAG_HEADER, parseReport } from '../../owners/report.ts';
import type { SpeakerReport } from '../../owners/report.ts';
import { readBody } from '../../lib/io/body.ts';
import { tagFits } from '../../lib/io/secret.ts';
import type { Reports } from '../reports.ts';

export interface Taking {
  readonly reports: Reports;
  /** undefined: not known now. */
  readonly secret: () => Uint8Array | undefined;
  readonly sink: (report: SpeakerReport) => void;
}

interface Reply {
  readonly status: number;
  /** One line; of a challenge, the challenge. */
  readonly text: string;
}

/** `taking` undefined: this controller takes no reports. */
export function takeReports(taking: Taking | undefined): RequestListener {
  return (request, response) => {
    void answer(request, taking).then(({ status, text }) => {
      // What is left of a body that was refused would be taken for the next request.
      if (!request.complete) response.setHeader('connection', 'close');
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
      return response.end(text === '' ? '' : `${text}\n`);
    });
  };
}

async function answer(request: IncomingMessage, taking: Taking | undefined): Promise<Reply> {
  const secret = taking?.secret();
  if (taking === undefined || secret === undefined) return refuse(403, NO_SECRET);
  const body = await readBody(request, MOST_BYTES);
  if (body === undefined) return refuse(413, `a report has at most ${MOST_BYTES} bytes`);
  const { [TAG_HEADER]: tag } = request.headers;
  if (typeof tag !== 'string' || !tagFits(secret, TAG_CONTEXT, body, tag)) {
    return refuse(401, 'the tag does not fit: speakers and controller must share the secret');
  }
  const report = parseReport(body.toString('utf8'));
  if (!report.ok) return refuse(400, report.error);
  const admission = taking.reports.admit(report.value);
  if (admission.kind === 'challenged') return refuse(409, admission.challenge);
  if (admission.kind === 'replayed') return refuse(409, 'a report of this number was taken before');
  taking.sink(report.value);
  return { status: 204, text: '' };
}

const NO_SECRET =
  'reports are refused: start the controller with --secret-file, the secret of the speakers';

function refuse(status: number, text: string): Reply {
  return { status, text };
}
