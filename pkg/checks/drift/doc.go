// Package drift holds the checks of question 6: Can you prevent container drift?
package drift
