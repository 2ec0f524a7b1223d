FROM flights
