SELECT origin, count(*) AS flights, sum(delay) AS delay, sum(delay * 1.0::DOUBLE / greatest(distance, 1)) AS severity
FROM "so-far" WHERE delay > 15 GROUP BY origin
