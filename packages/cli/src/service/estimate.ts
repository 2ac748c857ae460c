/** How many instances a load needs, how long its jobs wait and what they cost. Pure functions. */
import { LatentSyncError } from "@ls/core";

/** What one instance does and costs. */
export interface Hardware {
  readonly name: string;
  /** Processing time of a video. */
  readonly secondsPerVideo: number;
  /** From the start of an instance until it takes a job. */
  readonly coldStartSeconds: number;
  readonly dollarsPerHour: number;
}

/**
 * Measured by earlier deployments of the Python service, with its videos and the prices of their
 * time: starting points, to be replaced by figures of one's own.
 */
export const MEASURED_HARDWARE: readonly Hardware[] = [
  { name: "l4", secondsPerVideo: 180, coldStartSeconds: 25, dollarsPerHour: 0.73 },
  { name: "a100", secondsPerVideo: 60, coldStartSeconds: 45, dollarsPerHour: 2.3 },
  { name: "a100-40g", secondsPerVideo: 90, coldStartSeconds: 30, dollarsPerHour: 3.67 },
];

export interface Load {
  /** Mean rate at which jobs arrive. */
  readonly videosPerHour: number;
  /** Share of the time that instances should be busy, above 0 and below 1; the rest is for bursts. */
  readonly targetUtilization: number;
  /** Most instances that may run. Default: as many as are needed. */
  readonly maxInstances?: number | undefined;
}

/** Paid while instances are kept running, or by the second with instances that come and go. */
export interface Dollars {
  readonly keptRunning: number;
  /** Every video finds a running instance: the least. */
  readonly perUse: number;
  /** Every video starts an instance of its own: the most, but for what idling instances cost. */
  readonly perUseCold: number;
}

export interface Estimate {
  readonly hardware: Hardware;
  readonly instances: number;
  /** What these instances make when they are always busy. */
  readonly capacityPerHour: number;
  /** Share of the time that they are busy, 0 to 1. */
  readonly utilization: number;
  /** More arrives than they make: the queue grows until it refuses. */
  readonly isOverloaded: boolean;
  /**
   * Wait for a free instance, cold starts not counted: M/M/c, that is, random arrivals and
   * processing times that vary as much as their mean. Videos vary less, so it is on the safe side.
   * `undefined` when overloaded.
   */
  readonly waitSeconds: { readonly mean: number; readonly p95: number } | undefined;
  readonly dollarsPerVideo: Dollars;
  /** Of 730 hours. */
  readonly dollarsPerMonth: Dollars;
}

export const HOURS_PER_MONTH = 730;
const SECONDS_PER_HOUR = 3600;
/** Waits longer than the 95th percentile. */
const LATE_SHARE = 0.05;

/** @throws LatentSyncError `invalid_argument` for figures that are out of range. */
export function estimate(hardware: Hardware, load: Load): Estimate {
  checkFigures(hardware, load);
  const { secondsPerVideo, coldStartSeconds, dollarsPerHour } = hardware;
  const { videosPerHour, targetUtilization, maxInstances = Infinity } = load;
  const busyInstances = (videosPerHour * secondsPerVideo) / SECONDS_PER_HOUR;
  const instances = Math.min(maxInstances, instancesFor(busyInstances, targetUtilization));
  const capacityPerHour = (instances * SECONDS_PER_HOUR) / secondsPerVideo;
  const isOverloaded = busyInstances >= instances;
  const made = Math.min(videosPerHour, capacityPerHour);
  const dollarsPerVideo = {
    keptRunning: (instances * dollarsPerHour) / made,
    perUse: (secondsPerVideo / SECONDS_PER_HOUR) * dollarsPerHour,
    perUseCold: ((secondsPerVideo + coldStartSeconds) / SECONDS_PER_HOUR) * dollarsPerHour,
  };
  const videosPerMonth = made * HOURS_PER_MONTH;
  return {
    hardware,
    instances,
    capacityPerHour,
    utilization: Math.min(1, busyInstances / instances),
    isOverloaded,
    waitSeconds: isOverloaded
      ? undefined
      : waitForInstance(instances, busyInstances, secondsPerVideo),
    dollarsPerVideo,
    dollarsPerMonth: {
      keptRunning: dollarsPerVideo.keptRunning * videosPerMonth,
      perUse: dollarsPerVideo.perUse * videosPerMonth,
      perUseCold: dollarsPerVideo.perUseCold * videosPerMonth,
    },
  };
}

/** The fewest that are busy no longer than the target; a rounding error needs no further one. */
function instancesFor(busyInstances: number, targetUtilization: number): number {
  return Math.max(1, Math.ceil(busyInstances / targetUtilization - 1e-9));
}

/**
 * Wait in an M/M/c queue, by Erlang's formula C.
 * @param instances servers, more than `busyInstances`.
 * @param busyInstances offered load, in Erlang.
 */
function waitForInstance(
  instances: number,
  busyInstances: number,
  secondsPerVideo: number,
): { readonly mean: number; readonly p95: number } {
  // Erlang's formula B by recursion over the servers, which stays between 0 and 1.
  let blocked = 1;
  for (let servers = 1; servers <= instances; servers++) {
    blocked = (busyInstances * blocked) / (servers + busyInstances * blocked);
  }
  const utilization = busyInstances / instances;
  const waits = blocked / (1 - utilization * (1 - blocked));
  const secondsPerDeparture = secondsPerVideo / (instances - busyInstances);
  return {
    mean: waits * secondsPerDeparture,
    p95: Math.max(0, secondsPerDeparture * Math.log(waits / LATE_SHARE)),
  };
}

function checkFigures(hardware: Hardware, load: Load): void {
  const above = (name: string, value: number, minimum: number, isAllowed: boolean): void => {
    if (Number.isFinite(value) && (value > minimum || (isAllowed && value === minimum))) return;
    const bound = isAllowed ? `at least ${minimum}` : `above ${minimum}`;
    throw new LatentSyncError("invalid_argument", `${name} must be ${bound}, but is ${value}.`, {
      hint: "Give a finite number in that range.",
    });
  };
  above("secondsPerVideo", hardware.secondsPerVideo, 0, false);
  above("coldStartSeconds", hardware.coldStartSeconds, 0, true);
  above("dollarsPerHour", hardware.dollarsPerHour, 0, true);
  above("videosPerHour", load.videosPerHour, 0, false);
  above("targetUtilization", load.targetUtilization, 0, false);
  if (load.maxInstances !== undefined) above("maxInstances", load.maxInstances, 1, true);
  if (load.targetUtilization < 1) return;
  throw new LatentSyncError(
    "invalid_argument",
    `targetUtilization must be below 1, but is ${load.targetUtilization}.`,
    { hint: "At 1 the queue would grow without end; 0.8 leaves room for bursts." },
  );
}
