// Work that the server does in the background: started, followed while it runs, cancelled.
import { useEffect, useState } from 'preact/hooks';
import { ask, at, send, type Job } from './api';
import { count } from './parts';

export interface Followed { job: Job | null; problem: string; active: boolean; start: (body: object) => void; cancel: () => void }

export function useJob(onDone: (job: Job) => void): Followed {
  const [job, setJob] = useState<Job | null>(null);
  const [problem, setProblem] = useState('');
  const active = !!job && (job.state === 'queued' || job.state === 'running');
  useEffect(() => {
    if (!active || !job) return;
    const timer = setInterval(() => ask<Job>(at('jobs', job.id)).then((now) => {
      setJob(now);
      if (now.state === 'done') onDone(now);
      if (now.state === 'failed') setProblem(now.error ?? 'failed');
    }, (error: Error) => { setProblem(error.message); setJob(null); }), 400);
    return () => clearInterval(timer);
  }, [active, job?.id]);
  return {
    job, problem, active,
    start: (body) => {
      setProblem('');
      send<Job>('POST', '/api/jobs', body).then(setJob, (error: Error) => setProblem(error.message));
    },
    cancel: () => { if (job) ask<Job>(at('jobs', job.id), { method: 'DELETE' }).then(setJob, (error: Error) => setProblem(error.message)); },
  };
}

// Totals are estimates: work that takes longer is shown as not yet done.
export function JobProgress({ of }: { of: Followed }) {
  const { job, active, problem } = of;
  const done = job?.progress.done ?? 0, total = job?.progress.total ?? 0;
  return (
    <>
      {active && job && <p class="job" role="status">{job.state === 'queued' ? 'waiting for other jobs' : job.progress.what || 'starting'}…{' '}
        {total > 1 ? <progress max={total} value={Math.min(done, 0.98 * total)} aria-label="progress" /> : <progress aria-label="progress" />}{' '}
        {total > 1 && <span class="quiet">{count(done)} {job.progress.unit}{done <= total ? ` of about ${count(total)}` : ''}</span>}{' '}
        <button type="button" onClick={of.cancel}>Cancel</button></p>}
      {job?.state === 'cancelled' && <p class="quiet" role="status">Cancelled.</p>}
      {problem && <p class="problem" role="alert">{problem}</p>}
    </>
  );
}
