-- One row for each species, by the sums of its phases of flight.
WITH phases AS (
  SELECT species, phase, count(*) AS strikes, count(*) FILTER (damaged) AS damaging, coalesce(sum(cost_total), 0) AS cost
  FROM strikes
  WHERE species IS NOT NULL
  GROUP BY ALL
)
SELECT
  species,
  sum(strikes) AS strikes,
  sum(damaging) AS damaging,
  sum(cost) AS cost_usd,
  arg_max(phase, (cost, phase)) FILTER (cost > 0) AS costliest_phase -- of two that cost the same, the later in the alphabet
FROM phases
GROUP BY species
ORDER BY species
