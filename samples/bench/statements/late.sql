SELECT *,
  CASE WHEN severity < 0.05 THEN 0 WHEN severity < 0.1 THEN 1 WHEN severity < 0.25 THEN 2
       WHEN severity < 0.5 THEN 3 WHEN severity < 1 THEN 4 ELSE 5 END AS bucket
FROM (SELECT *, delay * 1.0::DOUBLE / greatest(distance, 1) AS severity FROM flights WHERE delay > 15)
