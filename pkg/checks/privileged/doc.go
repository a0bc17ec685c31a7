// Package privileged holds the checks of question 3: Are you avoiding --privileged?
package privileged
